import { afterEach, expect, it } from 'vitest';

import { speak } from '../texts/texts';
import { shownValue } from './format';

afterEach(() => speak('en'));

it.each([
  [null, 'number', ''],
  ['hidden', 'integer', 'hidden'],
  [1234567, 'integer', '1,234,567'],
  [0.00001, 'pvalue', '< 0.0001'],
  [0.04567, 'pvalue', '0.0457'],
  [0.123456, 'number', '0.1235'],
  [1e-9, 'number', '1.000e−9'],
  [0.95, 'number', '0.95'],
  [2.91004, 'number', '2.910'],
  [12345.678, 'number', '12,345.7'],
  [-3.14159, 'number', '−3.142'],
])('writes %s as a %s: %s', (value, format, text) => {
  expect(shownValue(value, format)).toBe(text);
});

it('writes all numbers of a table with one decimal mark', async () => {
  await speak('de');
  const written = [0.04567, 0.00001].map((value) => shownValue(value, 'pvalue'));
  expect(written).toEqual(['0,0457', '< 0,0001']);
  expect([0.123456, 0.95, 12345.678, 1e-9, 3e8].map((value) => shownValue(value, 'number'))).toEqual([
    '0,1235', '0,95', '12.345,7', '1,000e−9', '3,000e+8',
  ]);
});
