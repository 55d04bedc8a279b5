import { expect, it } from 'vitest';

import { byRole, placed, type Role } from './roles';

const role = (min: number, max: number | null) => ({ min, max }) as unknown as Role;
const status = [role(1, 1), role(0, null)];

it('gives each role its least first, and the last one what is left', () => {
  expect(byRole(status, [])).toEqual([[], []]);
  expect(byRole(status, ['a'])).toEqual([['a'], []]);
  expect(byRole(status, ['a', 'b', 'c'])).toEqual([['a'], ['b', 'c']]);
  expect(byRole([role(1, 1), role(0, 1)], ['a', 'b', 'c'])).toEqual([['a'], ['b', 'c']]);
  expect(byRole([role(1, null), role(1, 1)], ['a', 'b', 'c'])).toEqual([['a', 'b'], ['c']]);
});

it('lets two variables change places, or one take the place of another', () => {
  expect(placed(status, ['a', 'b', 'c'], 0, 'c')).toEqual(['c', 'b', 'a']);
  expect(placed(status, ['a', 'b'], 0, 'z')).toEqual(['z', 'b']);
  expect(placed(status, [], 0, 'z')).toEqual(['z']);
});
