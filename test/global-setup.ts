import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The tests run what was built: `npm test` builds it. */
export default function setup(): void {
  const built = fileURLToPath(new URL('../dist/main.cjs', import.meta.url));
  if (!existsSync(built)) throw new Error('There is no build. Run the tests with: npm test');
}
