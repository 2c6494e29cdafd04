/** Installs a TensorFlow in a process that can be killed: `install-child.ts VERSION CACHE INDEX`. */
import { provisionTensorflow } from '../../../runtime/engines/tensorflow/provision/provision.ts';

const [version = '', cache = '', index = ''] = process.argv.slice(2);
await provisionTensorflow(version, 'cpu', {
  cache,
  environment: { PIP_INDEX_URL: index, PIP_CONFIG_FILE: '/dev/null', MLPIPE_TENSORFLOW_ARCHIVE: 'none' },
  onProgress: (share) => console.log(share),
});
