import { expect, test } from 'vitest';

import { asked, WISHES, type Wishes } from './wishes';

const none = Object.fromEntries(WISHES.map((name) => [name, ''])) as Wishes;

test('days of this place become moments, and the last day is part of the list', () => {
  const { since, until } = asked({ ...none, from: '2026-03-01', to: '2026-03-01' });
  expect(new Date(since ?? '').getTime()).toBe(new Date(2026, 2, 1).getTime());
  expect(new Date(until ?? '').getTime()).toBe(new Date(2026, 2, 2).getTime());
});

test('a day that is none narrows nothing', () => {
  for (const day of ['', 'yesterday', '2026-3-1']) {
    expect(asked({ ...none, from: day }).since).toBe('');
  }
});
