/** What nobody waits for longer, in milliseconds. */
const MOMENT_MS = 1_000;

/** Resolves with the promise, whatever becomes of it, or after a moment. */
export async function withinMoment(promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, MOMENT_MS);
  });
  await Promise.race([promise.catch(() => undefined), over]);
  clearTimeout(timer);
}
