import { Chalk, type ChalkInstance } from 'chalk';
import type { Diagnosis, Finding } from './findings.ts';

const WIDTH = { level: 9, subject: 16 } as const;

/** The report as it is printed. */
export function formatDiagnosis({ findings, runtime, canRun }: Diagnosis, isColoured: boolean): string {
  const chalk = new Chalk({ level: isColoured ? 1 : 0 });
  const end = canRun
    ? chalk.green(`Commands can run here, with ${runtime}.`)
    : chalk.red('Commands cannot run here: see each problem above.');
  return `${findings.map((finding) => formatFinding(finding, chalk)).join('')}${end}\n`;
}

function formatFinding({ level, subject, text, advice }: Finding, chalk: ChalkInstance): string {
  const paint = { ok: chalk.green, note: chalk.yellow, problem: chalk.red }[level];
  const line = `${paint(level.padEnd(WIDTH.level))}${subject.padEnd(WIDTH.subject)}${text}\n`;
  if (advice === undefined) return line;
  return `${line}${' '.repeat(WIDTH.level + WIDTH.subject)}type: ${advice}\n`;
}
