/** What a guest finds: files for everybody to read. Our own mask may be a stricter one. */
const GUEST_UMASK = 0o022;

/** Runs `work`, which makes files that guests see, or starts a runtime, whose mask its commands inherit. */
export function withGuestUmask<T>(work: () => T): T {
  const previous = process.umask(GUEST_UMASK);
  try {
    return work();
  } finally {
    process.umask(previous);
  }
}
