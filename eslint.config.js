import { createNodeResolver, flatConfigs, importX } from 'eslint-plugin-import-x';
import { defineConfig, globalIgnores } from 'eslint/config';
import ts from 'typescript-eslint';

/** Which folders of src/ a folder may import from besides itself. What is not named here is forbidden. */
const directions = {
  protocol: [],
  posix: [],
  state: ['protocol', 'posix'],
  drivers: ['protocol', 'posix'],
  server: ['protocol', 'posix', 'state', 'drivers'],
  client: ['protocol', 'posix', 'state'],
  cli: ['client', 'protocol', 'posix', 'state'],
};

/** The commands that hold the server or look at the drivers themselves. */
const commandsWithServer = ['src/cli/commands/{serve,doctor}*', 'src/cli/commands/{serve,doctor}*/**'];

/** The files that own a process, so they alone have its streams, arguments, environment and end. */
const processOwners = ['src/cli/main.ts', 'src/server/serve*.ts'];
const ownedByMain = new Set(['exit', 'exitCode', 'abort', 'stdin', 'stdout', 'stderr', 'env', 'argv']);

const noProcessImports = {
  regex: '^(node:)?process$',
  message: 'Use the global: the rule about process.* cannot see names that were imported.',
};
const noHttp = {
  regex: '^(node:)?(http|https|http2)$|^(fastify|undici|eventsource-parser)(/|$)',
  message: 'A driver knows no HTTP.',
};
const noPackages = { regex: '^[^.]', message: 'The protocol is pure: it imports nothing, not even node:.' };

export default defineConfig(
  globalIgnores(['dist/', 'dist.new/', 'coverage/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },

  correctness(),
  {
    files: ['**/*.ts'],
    extends: [ts.configs.strictTypeChecked, ts.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: typed(),
  },
  {
    files: ['src/**', 'test/**', 'bench/**'],
    extends: [flatConfigs.typescript],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.js', '.mjs', '.json'] })],
    },
    rules: { 'import-x/no-cycle': 'error', 'import-x/no-self-import': 'error' },
  },
  sizes(),

  // The directions of imports, and who may touch the process.
  {
    files: ['src/**'],
    plugins: { sbx: { rules: { 'no-process': processRule() } } },
    rules: { ...restrictPackages(), 'sbx/no-process': 'error', 'no-console': 'error' },
  },
  mayImport({ files: ['src/index.ts'], folder: 'index.ts', allowed: ['client', 'protocol'] }),
  Object.entries(directions).map(([folder, allowed]) =>
    mayImport({ files: [`src/${folder}/**`], folder, allowed }),
  ),
  mayImport({ files: commandsWithServer, folder: 'cli', allowed: Object.keys(directions) }),
  { files: ['src/protocol/**'], rules: restrictPackages(noPackages) },
  { files: ['src/drivers/**'], rules: restrictPackages(noHttp) },
  { files: ['src/posix/**'], rules: { 'max-params': 'off' } }, // the signatures are libc's
  { files: processOwners, rules: { 'sbx/no-process': 'off', 'no-console': 'off' } },

  {
    files: ['test/**', 'bench/**'],
    rules: {
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': 'off', // a `describe` is a function
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
);

/** Rules of ESLint's own, for every file. */
function correctness() {
  return {
    rules: {
      eqeqeq: 'error',
      'no-cond-assign': 'error',
      'no-constant-binary-expression': 'error',
      'no-constant-condition': ['error', { checkLoops: 'allExceptWhileTrue' }],
      'no-debugger': 'error',
      'no-empty': 'error',
      'no-fallthrough': 'error',
      'no-irregular-whitespace': 'error',
      'no-loss-of-precision': 'error',
      'no-regex-spaces': 'error',
      'no-self-assign': 'error',
      'no-self-compare': 'error',
      'no-sparse-arrays': 'error',
      'no-unmodified-loop-condition': 'error',
      'no-unneeded-ternary': 'error',
      'no-unreachable': 'error',
      'no-unsafe-finally': 'error',
      'no-unsafe-optional-chaining': 'error',
      'no-unused-labels': 'error',
      'no-unused-vars': ['error', unusedVars()],
      'no-useless-escape': 'error',
      'no-useless-return': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'preserve-caught-error': 'error',
    },
  };
}

/** What is changed in typescript-eslint's strict and stylistic sets. */
function typed() {
  return {
    'no-unused-vars': 'off', // the next one knows types
    '@typescript-eslint/no-unused-vars': ['error', unusedVars()],
    '@typescript-eslint/consistent-type-exports': 'error',
    '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
    '@typescript-eslint/switch-exhaustiveness-check': [
      'error',
      { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
    ],
    '@typescript-eslint/no-confusing-void-expression': [
      'error',
      { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
    ],
    '@typescript-eslint/no-empty-function': ['error', { allow: ['arrowFunctions'] }],
    '@typescript-eslint/no-floating-promises': 'error',
    '@typescript-eslint/no-misused-promises': 'error',
    '@typescript-eslint/no-unnecessary-condition': [
      'error',
      { allowConstantLoopConditions: 'only-allowed-literals' },
    ],
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    // An empty string, as in an environment variable, is mostly to be taken as none.
    '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true } }],
    // It asks for the `!` that another rule forbids.
    '@typescript-eslint/non-nullable-type-assertion-style': 'off',
    // Over bytes an index is the quicker loop, and often the clearer one.
    '@typescript-eslint/prefer-for-of': 'off',
    // `async` without `await` turns a throw into the rejection that an interface promises.
    '@typescript-eslint/require-await': 'off',
  };
}

function unusedVars() {
  return { argsIgnorePattern: '^_', caughtErrors: 'all', ignoreRestSiblings: true };
}

function sizes() {
  const counted = { skipBlankLines: true, skipComments: true };
  return {
    rules: {
      'max-lines': ['error', { max: 250, ...counted }],
      'max-lines-per-function': ['error', { max: 60, ...counted }],
      'max-params': ['error', { max: 3 }],
      complexity: ['error', 15],
    },
  };
}

/** Static and dynamic imports, of values and of types. */
function mayImport({ files, folder, allowed }) {
  const zone = {
    target: `./src/${folder}`,
    from: './src',
    except: [...new Set([folder, ...allowed])].map((name) => `./${name}`),
    message: `src/${folder} may import from ${allowed.length > 0 ? allowed.join(', ') : 'nothing else of src'}.`,
  };
  return { files, rules: { 'import-x/no-restricted-paths': ['error', { zones: [zone] }] } };
}

function restrictPackages(...patterns) {
  const all = [noProcessImports, ...patterns];
  return {
    'no-restricted-imports': ['error', { patterns: all }],
    'no-restricted-syntax': [
      'error',
      ...all.map(({ regex, message }) => ({
        selector: `ImportExpression[source.value=/${regex.replaceAll('/', '\\/')}/]`,
        message,
      })),
    ],
  };
}

/** Knows the global from a variable of that name, which `no-restricted-properties` does not. */
function processRule() {
  return {
    meta: {
      type: 'problem',
      schema: [],
      messages: { owned: 'Take it from the context: only the file that owns the process touches this.' },
    },
    create: (context) => ({
      'Program:exit'(program) {
        const { through } = context.sourceCode.getScope(program);
        for (const { identifier } of through) {
          if (isOwnedByMain(identifier)) context.report({ node: identifier, messageId: 'owned' });
        }
      },
    }),
  };
}

function isOwnedByMain({ name, parent }) {
  if (name !== 'process') return false;
  // `process` as a whole, taken apart or handed on, gives everything away.
  if (parent.type !== 'MemberExpression' || parent.object.name !== name) return true;
  return ownedByMain.has(parent.computed ? parent.property.value : parent.property.name);
}
