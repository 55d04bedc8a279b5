import { expect, test } from 'vitest';

import type { DatasetEntry } from '../api/client';
import { compared, levelChart, missingShare } from './comparison';

const dataset = (code: string, site: string) => ({ code, label: code.toUpperCase(), site }) as unknown as DatasetEntry;
const held = [dataset('b', 'Lausanne'), dataset('a', 'Aachen'), dataset('c', 'Lausanne')];
const told = (code: string, n: number | null, mean: number | null) => ({ dataset: code, n, missing: 10, mean, sd: 1, median: mean });

test('datasets stand by hospital, and a hospital with several has a line that sums theirs', () => {
  const parts = compared({ numeric: [told('all datasets', 90, 5), told('a', 20, 1), told('b', 30, 2), told('c', 40, 9)], nominal: [] }, held);
  expect(parts.map((part) => [part.site, part.dataset, part.n, part.missing, part.mean])).toEqual([
    ['Aachen', 'A', 20, 10, 1],
    ['Lausanne', null, 70, 20, 6],
    ['Lausanne', 'B', 30, 10, 2],
    ['Lausanne', 'C', 40, 10, 9],
  ]);
});

test('what is hidden stays hidden in the sum, and totals alone compare nothing', () => {
  const [, lausanne] = compared({ numeric: [told('a', 20, 1), told('b', null, null), told('c', 40, 9)], nominal: [] }, held);
  expect([lausanne?.n, lausanne?.mean]).toEqual([null, null]);
  expect(compared({ numeric: [told('all datasets', 90, 5)], nominal: [] }, held)).toEqual([]);
});

test('a share of missing values is of all records, and of nobody there is none', () => {
  expect(missingShare({ n: 30, missing: 10 })).toBe(0.25);
  expect([missingShare({ n: null, missing: 1 }), missingShare({ n: 0, missing: 0 })]).toEqual([null, null]);
});

test('levels are drawn as shares of each hospital’s datasets, and a count that is not told is left out', () => {
  const nominal = [
    { dataset: 'a', n: 20, missing: 0, counts: { F: 5, M: null } },
    { dataset: 'b', n: 10, missing: 0, counts: { F: 5, M: 5 } },
    { dataset: 'c', n: 30, missing: 0, counts: { F: 15, M: null } },
  ];
  const chart = levelChart(compared({ numeric: [], nominal }, held), { F: 'Female', M: 'Male' }, 'Sex', 'Share');
  expect(chart.spec).toMatchObject({
    data: {
      values: [
        { place: 'Aachen · A', level: 'Female', share: 0.25 },
        { place: 'Lausanne', level: 'Female', share: 0.5 },
        { place: 'Lausanne · B', level: 'Female', share: 0.5 },
        { place: 'Lausanne · B', level: 'Male', share: 0.5 },
        { place: 'Lausanne · C', level: 'Female', share: 0.5 },
      ],
    },
  });
  expect(chart.alt).toContain('Sex. Aachen · A, Female: 25 %; Lausanne, Female: 50 %');
  const alone = levelChart(compared({ numeric: [], nominal: nominal.slice(0, 1) }, [dataset('a', '')]), { F: 'Female' }, 'Sex', 'Share');
  expect(alone.alt).toBe('Sex. A, Female: 25 %');
});
