/** The few statistics that a bench needs. */

export function mean(samples) {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length
}

export function median(samples) {
  return percentile(samples, 0.5)
}

/** The smallest sample that at least `share` of all samples do not exceed; between two middle ones, their mean. */
export function percentile(samples, share) {
  const sorted = Float64Array.from(samples).sort()
  const rank = share * sorted.length
  const upper = Math.min(Math.floor(rank), sorted.length - 1)
  return rank === upper && upper > 0 ? (sorted[upper - 1] + sorted[upper]) / 2 : sorted[upper]
}
