import type { ChartView, DatasetEntry } from '../api/client';

/** One variable in one dataset, or in all of a hospital's; null where it is not told. */
export interface Part {
  dataset: string | null;
  site: string;
  n: number | null;
  missing: number | null;
  mean: number | null;
  sd: number | null;
  median: number | null;
  counts: Record<string, number | null>;
}

interface Told {
  dataset: string;
  n: number | null;
  missing: number | null;
  mean?: number | null;
  sd?: number | null;
  median?: number | null;
  counts?: Record<string, number | null>;
}

/**
 * What a summary tells of each dataset, by hospital; none where only totals are told.
 *
 * A hospital with several datasets has a line of its own before them, summed from theirs.
 */
export function compared(result: unknown, datasets: readonly DatasetEntry[]): Part[] {
  const { numeric, nominal } = result as { numeric: Told[]; nominal: Told[] };
  const parts = datasets.flatMap(({ code, label, site }): Part[] => {
    const told = [...numeric, ...nominal].find((one) => one.dataset === code);
    if (!told) return [];
    const { n, missing, mean = null, sd = null, median = null, counts = {} } = told;
    return [{ dataset: label, site, n, missing, mean, sd, median, counts }];
  });
  const sites = [...new Set(parts.map((part) => part.site))].sort();
  return sites.flatMap((site) => {
    const own = parts.filter((part) => part.site === site);
    return site && own.length > 1 ? [together(site, own), ...own] : own;
  });
}

function together(site: string, parts: readonly Part[]): Part {
  const sum = (values: (number | null)[]) => values.reduce<number | null>((all, one) => (all === null || one === null ? null : all + one), 0);
  const n = sum(parts.map((part) => part.n));
  const total = sum(parts.map((part) => (part.n === null || part.mean === null ? null : part.n * part.mean)));
  const levels = [...new Set(parts.flatMap((part) => Object.keys(part.counts)))];
  const counts = Object.fromEntries(levels.map((level) => [level, sum(parts.map((part) => part.counts[level] ?? null))]));
  return { dataset: null, site, n, missing: sum(parts.map((part) => part.missing)), mean: n && total !== null ? total / n : null, sd: null, median: null, counts };
}

/** The share that has no value, between 0 and 1; null where it is not told, or nobody is there. */
export function missingShare({ n, missing }: Pick<Part, 'n' | 'missing'>): number | null {
  return n === null || missing === null || n + missing === 0 ? null : missing / (n + missing);
}

/**
 * A nominal variable's levels as shares of each dataset, and of each hospital with several.
 *
 * A count that is not told leaves a gap.
 */
export function levelChart(parts: readonly Part[], levels: Record<string, string>, title: string, share: string): ChartView {
  const order = Object.values(levels);
  const values = parts.flatMap(({ dataset, site, n, counts }) => {
    const place = [site, dataset].filter(Boolean).join(' · ');
    return !n
      ? []
      : Object.entries(counts).flatMap(([level, count]) => (count === null ? [] : [{ place, level: levels[level] ?? level, share: count / n }]));
  });
  const told = values.map((one) => `${one.place}, ${one.level}: ${Math.round(100 * one.share)} %`);
  return {
    kind: 'chart',
    title,
    note: '',
    alt: `${title}. ${told.slice(0, 30).join('; ')}`,
    spec: {
      $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
      data: { values },
      width: 'container',
      height: { step: 28 },
      mark: 'bar',
      encoding: {
        y: { field: 'place', type: 'nominal', title: null, sort: null },
        x: { field: 'share', type: 'quantitative', stack: 'zero', title: share, axis: { format: '%' }, scale: { domain: [0, 1] } },
        color: { field: 'level', type: 'nominal', title: null, sort: order },
        tooltip: [
          { field: 'place', type: 'nominal', title: 'dataset' },
          { field: 'level', type: 'nominal' },
          { field: 'share', type: 'quantitative', format: '.1%' },
        ],
      },
    },
  };
}
