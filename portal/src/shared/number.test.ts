import { afterEach, expect, it } from 'vitest';

import { speak } from '../texts/texts';
import { decimal, marks, number } from './number';

afterEach(() => speak('en'));

it.each([
  ['en', '1,234', '0.50', { decimal: '.', thousands: ',' }],
  ['de', '1.234', '0,50', { decimal: ',', thousands: '.' }],
  ['fr', '1\u202f234', '0,50', { decimal: ',', thousands: '\u202f' }],
] as const)('writes numbers as %s does, in charts as well', async (language, whole, half, expected) => {
  await speak(language);
  expect([number(1234), decimal(0.5, 2), marks()]).toEqual([whole, half, expected]);
});
