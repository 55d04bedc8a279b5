import { MantineProvider } from '@mantine/core';
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';

import { RoleFields } from './RoleField';
import { RoleNews } from './RoleNews';

afterEach(cleanup);

/** What a browser gives with a pointer that carries something. */
function transfer() {
  const held = new Map<string, string>();
  return {
    get types() {
      return [...held.keys()];
    },
    setData: (type: string, text: string) => held.set(type, text),
    getData: (type: string) => held.get(type) ?? '',
  };
}

it('takes variables that a pointer brings, once each, and nothing else', () => {
  const given: string[][] = [];
  render(
    <MantineProvider>
      <RoleFields list="x" codes={['age']} roles={[]} usable={[]} label={(code) => code} onChange={(codes) => given.push(codes)} onRemove={() => undefined} />
    </MantineProvider>,
  );
  const slot = screen.getByRole('group', { name: 'Covariates (x)' });
  const variables = transfer();
  variables.setData('application/x-mip-variables', '["sex","age"]');
  fireEvent.dragOver(slot, { dataTransfer: variables });
  expect(slot.getAttribute('data-over')).toBe('true');
  fireEvent.drop(slot, { dataTransfer: variables });
  expect([given, slot.getAttribute('data-over')]).toEqual([[['age', 'sex']], null]);
  const file = transfer();
  file.setData('text/plain', 'a line of text');
  fireEvent.drop(slot, { dataTransfer: file });
  expect(given).toHaveLength(1);
});

it('lets a chip be carried to the other list', () => {
  render(
    <MantineProvider>
      <RoleFields list="y" codes={['hip']} roles={[]} usable={[]} label={() => 'Hippocampus'} onChange={() => undefined} onRemove={() => undefined} />
    </MantineProvider>,
  );
  const dataTransfer = transfer();
  fireEvent.dragStart(screen.getByText('Hippocampus'), { dataTransfer });
  expect(dataTransfer.getData('application/x-mip-variables')).toBe('["hip"]');
});

it('says which variables got or lost a role', () => {
  const label = (code: string) => code.toUpperCase();
  const { rerender } = render(<RoleNews y={[]} x={['age']} label={label} />);
  expect(screen.getByRole('status').textContent).toBe('');
  rerender(<RoleNews y={['hip']} x={['age', 'sex']} label={label} />);
  expect(screen.getByRole('status').textContent).toBe('HIP is the outcome. SEX is a covariate.');
  rerender(<RoleNews y={['hip', 'age']} x={[]} label={label} />);
  expect(screen.getByRole('status').textContent).toBe('AGE is the outcome. SEX is no longer in the analysis.');
});
