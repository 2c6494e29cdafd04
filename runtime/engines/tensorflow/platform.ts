/** What each platform's TensorFlow is called and made of, and why there is none for the others. */

/** `gpu` is the build that computes on NVIDIA's processors where it finds CUDA. */
export type Distribution = 'cpu' | 'gpu';

export interface LibraryPlatform {
  platform: string;
  architecture: string;
  /** Names of the two shared libraries, in a wheel's folder `tensorflow/` and in ours. The first is the one to open. */
  libraries: readonly [string, string];
  /** Whether a wheel's platform tag is this one. */
  fits(tag: string): boolean;
  /** Packages of the index that may have it, the likeliest first. */
  packages(distribution: Distribution): readonly string[];
}

export type Possible = { possible: true; on: LibraryPlatform } | { possible: false; reason: string };

const LINUX_LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;

const PLATFORMS: readonly LibraryPlatform[] = [
  {
    platform: 'linux',
    architecture: 'x64',
    libraries: LINUX_LIBRARIES,
    fits: (tag) => /(^|\.)manylinux[0-9_]+_x86_64($|\.)/.test(tag),
    packages: (distribution) => (distribution === 'gpu' ? ['tensorflow'] : ['tensorflow-cpu', 'tensorflow']),
  },
  {
    platform: 'linux',
    architecture: 'arm64',
    libraries: LINUX_LIBRARIES,
    fits: (tag) => /(^|\.)manylinux[0-9_]+_aarch64($|\.)/.test(tag),
    // For some versions one of the two is empty and only names the other.
    packages: () => ['tensorflow', 'tensorflow-cpu-aws'],
  },
  {
    platform: 'darwin',
    architecture: 'arm64',
    libraries: ['libtensorflow_cc.2.dylib', 'libtensorflow_framework.2.dylib'],
    fits: (tag) => /^macosx_\d+_\d+_(arm64|universal2)$/.test(tag),
    packages: () => ['tensorflow', 'tensorflow-macos'],
  },
];

/** What can be had here. @param libc `glibc 2.36` or `musl`, on Linux */
export function libraryPlatform(platform: string, architecture: string, libc: string): Possible {
  if (platform === 'win32') {
    return {
      possible: false,
      reason: 'its packages for Windows hold the C API only inside a Python extension, and no library of its own.',
    };
  }
  const on = PLATFORMS.find((each) => each.platform === platform && each.architecture === architecture);
  if (on === undefined) {
    return { possible: false, reason: `there is no TensorFlow of 2.12 or newer for ${platform} on ${architecture}.` };
  }
  if (platform === 'linux' && !libc.startsWith('glibc')) {
    return { possible: false, reason: `TensorFlow is built against glibc, and this system has ${libc}.` };
  }
  return { possible: true, on };
}
