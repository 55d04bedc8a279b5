import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';

import { api } from '../api/client';
import { DifferenceOf } from './DifferenceOf';

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

it('offers every other experiment that is done, and compares with the one chosen', async () => {
  const items = ['here', 'other'].map((id) => ({ id, name: `Experiment ${id}`, created: '2026-01-02T00:00:00Z' }));
  const listed = vi.spyOn(api, 'experiments').mockResolvedValue({ items, total: 2 } as never);
  const asked = vi.spyOn(api, 'difference').mockRejectedValue(new Error('not asked for its answer'));
  render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      <MantineProvider env="test">
        <DifferenceOf id="here" origin={null} />
      </MantineProvider>
    </QueryClientProvider>,
  );
  const field = screen.getByRole('combobox', { name: 'Compare with' });
  await userEvent.click(field);
  const options = await screen.findAllByRole('option', { hidden: true });
  expect(options.map((option) => option.textContent)).toEqual([expect.stringContaining('Experiment other')]);
  expect(asked).not.toHaveBeenCalled();
  await userEvent.click(options[0] as HTMLElement);
  expect(asked).toHaveBeenCalledWith('here', 'other');
  expect(listed).toHaveBeenCalledWith({ state: 'done' }, 100, 0);
});
