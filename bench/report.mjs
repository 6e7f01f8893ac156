/** From samples to the rows of the table, and from rows to Markdown. */
import { median, percentile } from './statistics.mjs';

const columns = ['', 'Contender', 'Median', 'p99', 'To docker exec', 'Target', 'Met'];

/** Rows of one measure: a cell for each column. */
export function toRows(measure, titles, { samples, failures }) {
  const rows = Object.keys(titles).flatMap((name) => {
    if (name in failures) return [{ title: titles[name], failure: failures[name] }];
    if (samples[name] === undefined) return [];
    return toEntries(measure, { name, title: titles[name], samples, failures });
  });
  return rows.map((row, index) => [
    index === 0 ? `(${measure.letter}) ${measure.title}` : '',
    row.title,
    row.failure === undefined ? (row.median ?? '') : `failed: ${row.failure}`,
    ...[row.p99, row.ratio, row.target, row.met].map((cell) => cell ?? ''),
  ]);
}

function toEntries(measure, subject) {
  if (measure.take === 'memory') return toMemoryEntries(measure, subject);
  if (measure.take === 'held')
    return subject.samples[subject.name].map((sample) => toHeldEntry(subject, sample));
  if (measure.take === 'finished')
    return subject.samples[subject.name].map((sample) => toFinishedEntry(measure, subject, sample));
  if (measure.take === 'busy') return [toBusyEntry(measure, subject)];
  return [toEntry(measure, subject.samples[subject.name], subject)];
}

function toEntry(measure, own, { name, title, samples, failures, others = samples }) {
  const show = (value) => `${round(value * measure.scale)} ${measure.unit}`;
  const hasP99 = measure.hasP99 ?? measure.p99 !== undefined;
  const entry = { title, median: show(median(own)), p99: hasP99 ? show(percentile(own, 0.99)) : '' };
  const { reference = 'docker' } = measure;
  const its = reference in failures ? undefined : others[reference];
  if (its === undefined || its.length === 0 || name === reference) return entry;
  const ratios = [
    { of: 'median', value: median(own) / median(its), limit: measure.median },
    { of: 'p99', value: percentile(own, 0.99) / percentile(its, 0.99), limit: measure.p99 },
  ].filter(({ of }) => of === 'median' || hasP99);
  const whose = reference === 'docker' ? '' : ` of ${reference}`;
  entry.ratio = ratios
    .map(({ of, value }) => `${hasP99 ? `${of} ` : ''}${value.toFixed(2)} ×${whose}`)
    .join(', ');
  if (name !== 'sbx') return entry;
  const asked = ratios.filter(({ limit }) => limit !== undefined);
  const sign = measure.isRate ? '≥' : '≤';
  entry.target = asked.map(({ of, limit }) => `${hasP99 ? `${of} ` : ''}${sign} ${limit} ×`).join(', ');
  entry.met = asked
    .map(({ value, limit }) => ((measure.isRate ? value >= limit : value <= limit) ? 'yes' : 'no'))
    .join(', ');
  return entry;
}

function toBusyEntry(measure, subject) {
  const turnsOf = (takes) => takes.flatMap(({ turns }) => turns);
  const takes = subject.samples[subject.name];
  const others = Object.fromEntries(
    Object.entries(subject.samples).map(([name, all]) => [name, turnsOf(all)]),
  );
  const rate = round(median(takes.map((take) => take.rate)));
  const title = `${subject.title} (the busy ones: ${rate} MiB/s together)`;
  return toEntry(measure, turnsOf(takes), { ...subject, title, others });
}

function toHeldEntry({ title }, { count, idle, one, all }) {
  const each = (all - idle) / count;
  return {
    title: `${title}, daemon`,
    median: `${idle.toFixed(1)} MiB idle, ${grow(one - idle)} with one, ${grow(all - idle)} with ${count}: ${grow(each)} each`,
  };
}

function toFinishedEntry({ growth }, { title }, { idle, after }) {
  return {
    title: `${title}, daemon`,
    median: `${idle.toFixed(1)} MiB before, ${grow(after - idle)} after`,
    target: `< +${growth} MiB`,
    met: after - idle < growth ? 'yes' : 'no',
  };
}

function toMemoryEntries(measure, { name, title, samples }) {
  return samples[name].map(({ process, idle, asleep, awake }) => ({
    title: `${title}, ${process}`,
    median: `${idle.toFixed(1)} MiB idle, ${grow(asleep - idle)} asleep, ${grow(awake - idle)} until all is read`,
    ...(name === 'sbx' && {
      target: `< +${measure.growth} MiB asleep`,
      met: asleep - idle < measure.growth ? 'yes' : 'no',
    }),
  }));
}

const grow = (size) => `${size < 0 ? '−' : '+'}${Math.abs(size).toFixed(1)}`;
const round = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** @param {string[][]} rows */
export function toTable(rows) {
  const all = [columns, ...rows];
  const widths = columns.map((_, index) => Math.max(3, ...all.map((row) => row[index].length)));
  const line = (row) => `| ${row.map((cell, index) => cell.padEnd(widths[index])).join(' | ')} |`;
  return [line(columns), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
