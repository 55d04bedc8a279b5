import { expect, test } from 'vitest';

import { ordered, pressed } from './order';
import { asCsv, asTsv } from './table-file';

const rows = [{ p: 0.2 }, { p: '−∞' }, { p: null }, { p: 0.01 }, { p: 'hidden' }, { p: '∞' }];

test('numbers rise and fall by their size, and what is missing or withheld stays last', () => {
  const values = (descending: boolean) => ordered(rows, { key: 'p', descending }).map(({ p }) => p);
  expect(values(false)).toEqual(['−∞', 0.01, 0.2, '∞', null, 'hidden']);
  expect(values(true)).toEqual(['∞', 0.2, 0.01, '−∞', null, 'hidden']);
  expect(ordered(rows, null)).toBe(rows);
});

test('a head pressed three times leaves the order that the result has', () => {
  const first = pressed(null, 'p');
  const second = pressed(first, 'p');
  expect(first).toEqual({ key: 'p', descending: false });
  expect(second).toEqual({ key: 'p', descending: true });
  expect(pressed(second, 'p')).toBeNull();
  expect(pressed(second, 'term')).toEqual({ key: 'term', descending: false });
});

test('files hold every digit, quote what has to be, and hold nothing that a spreadsheet runs', () => {
  const table = {
    kind: 'table' as const,
    title: 'T',
    note: '',
    columns: [
      { key: 'a', label: 'Term, one', format: 'text' as const },
      { key: 'b', label: 'b', format: 'number' as const },
    ],
    rows: [
      { a: '=1+1', b: -0.123456789012345 },
      { a: 'say "so"\tnow', b: null },
    ],
  };
  expect(asCsv(table)).toBe('"Term, one",b\r\n\'=1+1,-0.123456789012345\r\n"say ""so""\tnow",\r\n');
  expect(asTsv(table)).toBe('Term, one\tb\n\'=1+1\t-0.123456789012345\nsay "so" now\t');
});
