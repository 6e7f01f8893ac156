import type { StdinSource } from '../../client/stdin-source.ts';

/** A source that is opened by its first read, or to be closed: until then nothing is taken from it. */
export function openWhenRead(open: () => StdinSource | undefined): StdinSource {
  let source: StdinSource | undefined;
  let isDestroyed = false;
  return {
    read: () => {
      if (isDestroyed) return Promise.resolve(null);
      source ??= open();
      return source?.read() ?? Promise.resolve(null);
    },
    destroy: () => {
      if (isDestroyed) return;
      isDestroyed = true;
      source ??= open();
      source?.destroy();
    },
  };
}
