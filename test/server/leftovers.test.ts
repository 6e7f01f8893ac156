import { expect, it } from 'vitest';
import { Leftovers } from '../../src/server/leftovers.ts';
import { waitUntil } from '../support/guests.ts';

/** Removes nothing that is in `stuck`, and notes the tries. */
function open(stuck: Set<string>) {
  const [tried, lines]: [string[], string[]] = [[], []];
  let underWay = 0;
  const leftovers = new Leftovers({
    retryMs: 20,
    log: (line) => lines.push(line),
    remove: async (id) => {
      underWay += 1;
      expect(underWay).toBe(1);
      await new Promise(setImmediate);
      underWay -= 1;
      tried.push(id);
      if (stuck.has(id)) throw new Error('its runtime has gone');
    },
  });
  return { leftovers, tried, lines };
}

it('removes one after another, whatever becomes of the first', async () => {
  const { leftovers, tried } = open(new Set(['a']));
  for (const id of ['a', 'b', 'c']) leftovers.add(id);
  await waitUntil(() => !leftovers.isBusy);
  expect(tried.slice(0, 3)).toEqual(['a', 'b', 'c']);
  expect(['a', 'b', 'c'].map((id) => leftovers.has(id))).toEqual([true, false, false]);
  await leftovers.close();
});

it('tries again what could not be removed, and says so once', async () => {
  const stuck = new Set(['a']);
  const { leftovers, tried, lines } = open(stuck);
  leftovers.addFailed('a', new Error('its runtime has gone'));
  expect(leftovers.isBusy).toBe(false);
  await waitUntil(() => tried.length >= 3);
  expect(lines).toEqual(['Cannot remove the sandbox a yet: Error: its runtime has gone']);
  stuck.clear();
  await waitUntil(() => !leftovers.has('a'));
  const { length } = tried;
  leftovers.add('b');
  await waitUntil(() => !leftovers.has('b'));
  expect(tried.slice(length)).toEqual(['b']);
  await leftovers.close();
});

it('finishes what is under way when it is closed, and nothing else', async () => {
  const { leftovers, tried } = open(new Set());
  for (const id of ['a', 'b']) leftovers.add(id);
  // The first is being removed from the next microtask on.
  await Promise.resolve();
  await leftovers.close();
  expect(tried).toEqual(['a']);
  expect(leftovers.has('b')).toBe(true);
});
