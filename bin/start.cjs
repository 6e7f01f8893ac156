// Runs the built program with the code that V8 compiled from it before, when it was built: compiling it each time would
// take as long as all else of ours before the first request. What another version of Node left is refused by V8, and
// the program is compiled. `module.enableCompileCache` does the like from Node 22.1 on.
'use strict';

const { readFileSync, writeSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');

const DIST = join(__dirname, '..', 'dist');

/** The program of `dist` as a script, and how to run it. */
function loadProgram(dist) {
  const filename = join(dist, 'main.cjs');
  // The build leaves nothing but ASCII in it, and latin1 is read fastest.
  const source = readFileSync(filename, 'latin1');
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename,
    cachedData: readCache(dist),
  });
  const run = () => script.runInThisContext()(exports, require, module, filename, dist);
  return { script, run };
}

function readCache(dist) {
  try {
    return readFileSync(join(dist, 'main.cache'));
  } catch {
    return undefined;
  }
}

/** Runs the program. What goes wrong before it looks after itself is no status of a command either. */
function start() {
  try {
    loadProgram(DIST).run();
  } catch (error) {
    const isMissing = error.code === 'ENOENT';
    const why = isMissing
      ? `there is no build: ${error.message}\nsbx: hint: Build it with: npm run build`
      : error.stack;
    writeSync(2, `sbx: ${why}\n`);
    process.exitCode = 125;
  }
}

if (require.main === module) start();
else module.exports = { loadProgram };
