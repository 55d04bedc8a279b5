import { expect, test } from 'vitest';

import type { ModelTree } from '../api/client';
import { circleAt, circlesOf, drawnAt, fitted } from './circles';

const variable = (code: string) => ({ code, label: code, type: 'real', enumerations: [] });
const group = (code: string, variables: string[], groups: unknown[] = []) => ({ code, label: code, variables: variables.map(variable), groups });
const model = {
  label: 'Model', variables: [variable('dataset')],
  groups: [group('big', ['a', 'b', 'c'], [group('deep', ['d']), group('void', [])]), group('small', ['e']), group('empty', [])],
} as unknown as ModelTree;

test('every variable is one circle within its group, and empty groups are none', () => {
  const root = circlesOf(model);
  const ids = root.descendants().map((circle) => circle.data.id);
  expect(ids.sort()).toEqual(['g:', 'g:/big', 'g:/big/deep', 'g:/small', 'v:a', 'v:b', 'v:c', 'v:d', 'v:dataset', 'v:e']);
  for (const circle of root.descendants()) {
    if (!circle.parent) continue;
    const { x, y, r } = circle.parent;
    expect(Math.hypot(circle.x - x, circle.y - y) + circle.r).toBeLessThanOrEqual(r + 1e-9);
  }
});

test('a place fills the square, with what it holds and what that holds', () => {
  const root = circlesOf(model);
  const drawn = drawnAt(circleAt(root, 'g:/big'), 300);
  expect(drawn[0]).toMatchObject({ level: 0, x: 150, y: 150, r: 150 });
  expect(drawn.filter((one) => one.level === 1).map((one) => one.node.id).sort()).toEqual(['g:/big/deep', 'v:a', 'v:b', 'v:c']);
  expect(drawn.filter((one) => one.level === 2).map((one) => one.node.id)).toEqual(['v:d']);
  expect(drawnAt(circleAt(root, 'g:/gone'), 300)[0]?.node.id).toBe('g:');
});

test('a label is told where it fits, cut where it nearly does, and left away where it is a stump', () => {
  expect(fitted('Left hippocampus', 60)).toEqual(['Left hippocampus']);
  expect(fitted('Left hippocampus', 38)).toEqual(['Left', 'hippocampus']);
  expect(fitted('Left hippocampus', 22)).toEqual(['Left', 'hippo…']);
  expect(fitted('Left hippocampus', 8)).toEqual([]);
});
