import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, it } from 'vitest';

import type { Variable } from '../api/client';
import { ParameterForm, type Schema, setsOf } from './ParameterForm';

const named = (code: string) => ({ code, label: code.toUpperCase(), enumerations: [] }) as unknown as Variable;
const schema = {
    $defs: { Side: { type: 'string', enum: ['two-sided', 'less'] } },
    properties: {
      side: { $ref: '#/$defs/Side', title: 'Side', default: 'two-sided', labels: { 'two-sided': 'Either way', less: 'Below' } },
      penalty: { anyOf: [{ type: 'number', exclusiveMinimum: 0 }, { type: 'null' }], title: 'Penalty', default: null },
      kind: { enum: [1, 2], type: 'integer', title: 'Kind', default: 2 },
      interactions: { type: 'array', title: 'Interactions', default: [], items: { minItems: 2, maxItems: 3 }, variables_of: 'x' },
    },
} as unknown as Schema;

afterEach(cleanup);

function shown() {
  const sent: Record<string, unknown>[] = [];
  render(
    <MantineProvider env="test">
      <ParameterForm
        schema={schema}
        places={{ y: [], x: [named('a'), named('b'), named('c')] }}
        datasets={[]}
        values={{}}
        problems={{}}
        onChange={(values) => sent.push(values)}
      />
    </MantineProvider>,
  );
  return sent;
}

it('offers pairs and triples of the covariates', async () => {
  const sent = shown();
  const user = userEvent.setup();
  await user.click(screen.getByRole('combobox', { name: 'Interactions' }));
  const offered = screen.getAllByRole('option').map((option) => option.textContent);
  expect(offered).toEqual(['A × B', 'A × C', 'B × C', 'A × B × C']);
  await user.click(screen.getByRole('option', { name: 'A × B × C' }));
  expect(sent).toEqual([{ interactions: [['a', 'b', 'c']] }]);
});

it('offers the titles of values and sends their codes', async () => {
  const sent = shown();
  const user = userEvent.setup();
  const side = screen.getByRole<HTMLInputElement>('combobox', { name: 'Side' });
  expect(side.value).toBe('Either way');
  await user.click(side);
  await user.click(screen.getByRole('option', { name: 'Below' }));
  expect(sent).toEqual([{ side: 'less' }]);
});

it('sends a number where the values are numbers', async () => {
  const sent = shown();
  const user = userEvent.setup();
  const kind = screen.getByRole<HTMLInputElement>('combobox', { name: 'Kind' });
  expect(kind.value).toBe('2');
  await user.click(kind);
  await user.click(screen.getByRole('option', { name: '1' }));
  expect(sent).toEqual([{ kind: 1 }]);
});

it('takes a number where a number may be left out', async () => {
  const sent = shown();
  await userEvent.setup().type(screen.getByRole('textbox', { name: 'Penalty' }), '3');
  expect(sent).toEqual([{ penalty: 3 }]);
});

it('makes no set larger than there are variables', () => {
  expect(setsOf([named('a')], 2, 3)).toEqual([]);
  expect(setsOf([named('a'), named('b')], 2, 3)).toEqual([{ value: '["a","b"]', label: 'A × B' }]);
});

it('offers pairs alone where triples are too many to look through', () => {
  const many = Array.from({ length: 40 }, (_, index) => named(`v${index}`));
  expect(setsOf(many, 2, 3)).toHaveLength(780);
});
