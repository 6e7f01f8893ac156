import type { Home } from './home.ts';

/**
 * The same home, but its `sbx` reaches the server by `host`. Sandboxes are still made, and what is left still found, by
 * the server's own socket.
 */
export function toVia(home: Home, host: string, more: Readonly<Record<string, string>> = {}): Home {
  const env = { ...home.env, ...more, SBX_HOST: host };
  return {
    ...home,
    env,
    run: (args, options) => home.run(args, { env, ...options }),
    runBytes: (args, options) => home.runBytes(args, { env, ...options }),
    start: (args, options) => home.start(args, { env, ...options }),
  };
}
