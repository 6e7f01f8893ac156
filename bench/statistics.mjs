/** The smallest sample that `share` of all samples do not exceed. */
export function percentile(samples, share) {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

export const median = (samples) => percentile(samples, 0.5);
