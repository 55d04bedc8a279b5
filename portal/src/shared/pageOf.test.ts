import { expect, it } from 'vitest';

import { pageOf } from './pageOf';

it.each([
  ['/', 'workspace'],
  ['/experiments', 'experiments'],
  ['/experiments/4f1c', 'experiment'],
  ['/datasets/dementia:1.0/edsd', 'dataset'],
  ['/inbox/ward.csv', 'inbox'],
  ['/nowhere', undefined],
])('%s is counted as %s', (path, page) => {
  expect(pageOf(path)).toBe(page);
});
