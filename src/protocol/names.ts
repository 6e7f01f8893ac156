import { SbxError } from './errors.ts';

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** @throws SbxError `invalid_name` */
export function parseSandboxName(name: string): string {
  if (NAME.test(name)) return name;
  throw new SbxError('invalid_name', `"${name}" is not a name for a sandbox`);
}

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The fewest characters that an id may be shortened to. */
const SHORTEST_ID = 8;

/**
 * An exec's id, whole or shortened, as it was typed.
 * @throws SbxError `invalid_exec_id`
 */
export function parseExecId(text: string): string {
  const id = text.toLowerCase();
  const rest = '00000000-0000-0000-0000-000000000000'.slice(id.length);
  if (id.length >= SHORTEST_ID && isUuid(id + rest)) return id;
  throw new SbxError('invalid_exec_id', `${JSON.stringify(text)} is not the id of an exec`);
}

const ADJECTIVES =
  'able bold brave bright brisk calm clear clever cosy crisp eager early fair fine fond free fresh glad golden good grand happy hardy keen kind light lively lucky mellow merry mild neat nice noble plain polite proud quick quiet rapid ready rosy sharp shiny silent smart smooth solid sound spry steady still sunny super swift tidy true warm wise witty young';
const NOUNS =
  'acorn alder aspen badger beaver birch brook canyon cedar cliff clover comet coral crane creek dune eagle elm ember falcon fern finch fjord fox garden glade grove harbor hare hawk heron hill island ivy jay lagoon lake lark laurel lily lynx maple marsh meadow moss oak ocean orchid otter owl pebble pine pond poppy prairie raven reef ridge river robin rowan sparrow spruce stone summit thistle tide trout tulip valley walnut willow wren';

/** A readable name such as `calm-heron-73`; `random` gives numbers from 0 up to 1. */
export function makeUpName(random: () => number): string {
  const pick = (words: string): string => {
    const list = words.split(' ');
    return list[Math.floor(random() * list.length)] as string;
  };
  return `${pick(ADJECTIVES)}-${pick(NOUNS)}-${Math.floor(random() * 90) + 10}`;
}
