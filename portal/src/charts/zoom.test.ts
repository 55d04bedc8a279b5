import { expect, it } from 'vitest';
import { compile } from 'vega-lite';

import { zoomable } from './zoom';

const number = (field: string) => ({ field, type: 'quantitative' });
const data = { values: [{ a: 1, b: 2, c: 'x' }] };
const signals = (spec: Record<string, unknown>) =>
  compile(spec as unknown as Parameters<typeof compile>[0]).spec.signals?.map(({ name }) => name) ?? [];

it('lets both axes of numbers be enlarged', () => {
  const told = signals(zoomable({ data, mark: 'point', encoding: { x: number('a'), y: number('b') } }));
  expect(told).toEqual(expect.arrayContaining(['zoom_a', 'zoom_b']));
});

it('enlarges along the axis of numbers alone, in whichever layer it is', () => {
  const level = { field: 'c', type: 'nominal' };
  const layer = [
    { mark: 'rule', encoding: { y: level } },
    { mark: { type: 'point' }, encoding: { x: number('a'), y: level } },
  ];
  const told = signals(zoomable({ data, layer }));
  expect(told).toContain('zoom_a');
  expect(told).not.toContain('zoom_c');
});

it('leaves charts without such an axis, and charts of several, as they are', () => {
  const bars = { data, mark: 'bar', encoding: { x: { ...number('a'), bin: true }, y: { field: 'c', type: 'nominal' } } };
  expect(zoomable(bars)).toBe(bars);
  const several = { data, hconcat: [bars] };
  expect(zoomable(several)).toBe(several);
});
