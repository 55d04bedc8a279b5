import { expect, it } from 'vitest';

import { shownValue } from './format';

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
