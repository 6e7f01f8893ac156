/**
 * Prints `N passed, N failed` for vitest's JSON report at argv[2], with `, N skipped` where there are any.
 * Fails when there is no report and when no test passed: vitest's own status tells of tests that failed.
 */
import { readFileSync } from 'node:fs';

const report = readReport(process.argv[2]);
const failed = report.numFailedTests + countFilesThatFailedAsAWhole(report.testResults);
const skipped = report.numPendingTests + report.numTodoTests;

console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = report.numPassedTests === 0 ? 1 : 0;

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.error(`There is no report of the tests: ${error.message}`);
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
  }
}

/** A file that could not be loaded, or whose hooks failed, has no failed test in the report. */
function countFilesThatFailedAsAWhole(files) {
  return files.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length;
}
