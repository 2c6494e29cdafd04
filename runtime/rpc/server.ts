/** `mlpipe rpc`: the runtime for an editor, JSON-RPC over the standard streams. No logic: every answer is the façade's. */
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type CancellationToken,
  createMessageConnection,
  type MessageConnection,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node';
import * as api from '../api.ts';
import { MlpipeError } from '../errors.ts';
import {
  DecayProgressNotification,
  DecayRequest,
  DiffRequest,
  HelloRequest,
  LineageRequest,
  ModelsRequest,
  PROTOCOL_VERSION,
  RecordsChangedNotification,
  RepairRecordRequest,
  ReproduceEventNotification,
  ReproduceModelRequest,
  RunEventNotification,
  RunPipelineRequest,
  ShowRecordRequest,
  StatusRequest,
  ToldNotification,
  TransferNotification,
  VerifyProgressNotification,
  VerifyRecordRequest,
  WhyRequest,
} from './protocol.ts';

/** What an `MlpipeError` is on the wire; the message carries what to do. */
const FAILURE = 1;

/** How long a burst of new records may be told of once, in milliseconds. */
const SETTLE = 150;

/** Serves until the other side closes. */
export function serveRpc(input: NodeJS.ReadableStream, output: NodeJS.WritableStream, version: string): Promise<void> {
  const connection = createMessageConnection(new StreamMessageReader(input), new StreamMessageWriter(output));
  const watched = new Map<string, fs.FSWatcher>();
  const running = new Set<AbortController>();
  const transferring =
    (what: string): NonNullable<api.ProjectOptions['onTransfer']> =>
    ({ phase, objects, objectsTotal, bytes, bytesTotal }) =>
      void connection.sendNotification(TransferNotification, {
        for: what,
        progress: { phase, objects, objectsTotal, bytes, bytesTotal },
      });
  const saying = (what: string): Pick<api.ProjectOptions, 'tell' | 'onTransfer'> => ({
    tell: (message) => void connection.sendNotification(ToldNotification, { for: what, message }),
    onTransfer: transferring(what),
  });

  connection.onRequest(HelloRequest, () => ({
    protocol: PROTOCOL_VERSION,
    version,
    node: process.versions.node,
    pid: process.pid,
  }));
  connection.onRequest(RunPipelineRequest, (request, token) =>
    answered(() =>
      cancellable(running, token, (signal) =>
        api.withProject(
          dirname(request.file),
          (project) =>
            api.run(project, request.file, {
              steps: request.steps,
              force: request.force ?? false,
              parameters: request.parameters ?? {},
              signal,
              onEvent: (event) => void connection.sendNotification(RunEventNotification, { file: request.file, event }),
            }),
          saying(request.file),
        ),
      ),
    ),
  );
  connection.onRequest(ReproduceModelRequest, ({ folder, reference }, token) =>
    answered(() =>
      cancellable(running, token, (signal) =>
        api.withProject(
          folder,
          (project) =>
            api.reproduce(project, reference, {
              signal,
              onEvent: (event) => void connection.sendNotification(ReproduceEventNotification, { reference, event }),
            }),
          saying(reference),
        ),
      ),
    ),
  );
  connection.onRequest(VerifyRecordRequest, ({ folder, reference }, token) =>
    answered(() =>
      cancellable(running, token, (signal) =>
        api.withProject(folder, (project) =>
          api.verifyRecord(project, reference, {
            signal,
            onProgress: (progress) =>
              void connection.sendNotification(VerifyProgressNotification, { reference, progress }),
          }),
        ),
      ),
    ),
  );
  connection.onRequest(RepairRecordRequest, ({ folder, reference, setAsideLost }, token) =>
    answered(() =>
      cancellable(running, token, (signal) =>
        api.withProject(folder, (project) =>
          api.repairRecord(project, reference, {
            // Whoever does not say so has not been asked.
            setAsideLost: setAsideLost === true,
            signal,
            onEvent: transferring(reference),
            onProgress: (progress) =>
              void connection.sendNotification(VerifyProgressNotification, { reference, progress }),
          }),
        ),
      ),
    ),
  );
  connection.onRequest(WhyRequest, ({ file, step }) =>
    answered(() => api.withProject(dirname(file), (project) => api.whyRerun(project, file, step))),
  );
  connection.onRequest(DecayRequest, ({ file }, token) =>
    answered(() =>
      cancellable(running, token, (signal) =>
        api.withProject(dirname(file), (project) =>
          api.decay(project, file, {
            signal,
            // As on the command line, remotes and package indexes are asked, too.
            network: {},
            onProgress: (done, total) =>
              void connection.sendNotification(DecayProgressNotification, { file, done, total }),
          }),
        ),
      ),
    ),
  );
  connection.onRequest(StatusRequest, (request) =>
    answered(() =>
      api.withProject(dirname(request.file), (project) =>
        api.status(project, request.file, { parameters: request.parameters ?? {} }),
      ),
    ),
  );
  connection.onRequest(ModelsRequest, ({ folder }) =>
    answered(async () => {
      const models = await api.withProject(folder, (project) => api.models(project, folder));
      // Asking has made the store where there was none, so that there is something to watch.
      watchRecords(connection, watched, folder);
      return models;
    }),
  );
  connection.onRequest(LineageRequest, ({ folder, reference, direction }) =>
    answered(() =>
      api.withProject(folder, (project) =>
        api.lineage(project, reference, { folder, ...(direction === undefined ? {} : { direction }) }),
      ),
    ),
  );
  connection.onRequest(DiffRequest, ({ folder, one, other }) =>
    answered(() =>
      api.withProject(folder, (project) => {
        const { before, after, differences } = api.diff(project, one, other);
        return { before, after, differences };
      }),
    ),
  );
  connection.onRequest(ShowRecordRequest, ({ folder, reference }) =>
    answered(() =>
      api.withProject(folder, (project) => ({
        text: `${JSON.stringify(api.show(project, reference).record, undefined, 2)}\n`,
      })),
    ),
  );
  // A message that cannot be read must not end the runtime; the reader has said so on its error event.
  connection.onError(() => undefined);

  return new Promise((resolve) => {
    const end = () => {
      // Nobody is left to take the results, and what was asked for is ended with who asked.
      for (const run of running) run.abort();
      for (const watcher of watched.values()) watcher.close();
      connection.dispose();
      resolve();
    };
    connection.onClose(end);
    // The editor that started this is gone.
    input.on('end', end);
    connection.listen();
  });
}

/** Work that ends when its request is cancelled, and with the connection. */
async function cancellable<Answer>(
  running: Set<AbortController>,
  token: CancellationToken,
  work: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  const cancelled = new AbortController();
  token.onCancellationRequested(() => cancelled.abort());
  running.add(cancelled);
  try {
    return await work(cancelled.signal);
  } finally {
    running.delete(cancelled);
  }
}

async function answered<Answer>(work: () => Promise<Answer> | Answer): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
    throw new ResponseError(FAILURE, error.message, { code: error.code, todo: error.todo, where: error.where });
  }
}

/** Tells of new records, whoever wrote them. */
function watchRecords(connection: MessageConnection, watched: Map<string, fs.FSWatcher>, folder: string): void {
  if (watched.has(folder)) return;
  const records = join(api.rootOf(folder), '.mlpipe', 'records');
  if (!fs.existsSync(records)) return;
  let waiting: NodeJS.Timeout | undefined;
  try {
    const watcher = fs.watch(records, { recursive: true }, () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => void connection.sendNotification(RecordsChangedNotification, { folder }), SETTLE);
    });
    watcher.on('error', () => watcher.close());
    watched.set(folder, watcher);
  } catch {
    // No watching on this disk: the editor refreshes after its own runs.
  }
}
