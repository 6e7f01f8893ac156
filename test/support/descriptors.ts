import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';

const RLIMIT_NOFILE = 7;
/** Above what Node itself has open from its beginning. */
const LIMIT = 64;

const libc = koffi.load(null);
const getrlimit = libc.func('int getrlimit(int resource, void *limit)');
const setrlimit = libc.func('int setrlimit(int resource, void *limit)');

/** All below the limit are taken, and stay so: what others close meanwhile makes no room. */
function fillBelowLimit(): void {
  for (;;) {
    const fd = openSync('/dev/null', 'r');
    if (fd >= LIMIT) return closeSync(fd);
  }
}

let isFilled = false;

/**
 * While this runs this process can open nothing (EMFILE), and use what is open. What it opens before is above the
 * limit where `reserveDescriptors` was called first.
 */
export async function withoutDescriptors<T>(use: () => T | Promise<T>): Promise<T> {
  if (!isFilled) throw new Error('Call reserveDescriptors() first');
  const before = Buffer.alloc(16);
  getrlimit(RLIMIT_NOFILE, before);
  const limit = Buffer.from(before);
  limit.writeBigUInt64LE(BigInt(LIMIT));
  setrlimit(RLIMIT_NOFILE, limit);
  try {
    return await use();
  } finally {
    setrlimit(RLIMIT_NOFILE, before);
  }
}

export function reserveDescriptors(): void {
  if (!isFilled) fillBelowLimit();
  isFilled = true;
}
