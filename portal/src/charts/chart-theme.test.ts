import { expect, it } from 'vitest';

import { inScheme } from './chart-theme';

const spec = { mark: { color: '#2b6c99' }, data: { values: [{ level: 'a "#2b6c99 b' }] } };

it('lightens a chart’s own colours by night, and nothing else', () => {
  expect(inScheme(spec, 'light')).toEqual(spec);
  expect(inScheme(spec, 'dark')).toEqual({ ...spec, mark: { color: '#6aaedb' } });
});
