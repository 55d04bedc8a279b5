import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { afterEach, expect, test, vi } from 'vitest';

import type { VersionEntry } from '../api/data';
import type { PublicationPlan, VolumesAnswer, VolumesOrder } from '../api/publication';
import { PublicationSection } from './PublicationSection';

const ward: VersionEntry = {
  model: 'dementia:1.0',
  dataset: 'ward',
  version: 2,
  current: true,
  published: '2024-01-01T00:00:00Z',
  patients: 40,
  records: 40,
  variables: 5,
  source: 'ward.csv',
  synthetic: false,
  hash: 'h',
  mapped: false,
  lives: { kind: 'server', where: '' },
};
const plan: PublicationPlan = {
  model: 'dementia:1.0',
  dataset: 'ward',
  version: 2,
  target: 'ward',
  date: 'visitdate',
  window: 180,
  joined: 31,
  no_patient: 2,
  outside: 0,
  ambiguous: 1,
  undated: 0,
  spare: 0,
  waiting: 4,
  rejected: 0,
  other: 0,
  patients: 40,
  patients_without: 9,
  atlas: 'ours',
  setting: 'fast',
  columns: ['tiv', 'lefthippocampus'],
  replaced: [],
  gone: [],
  left_out: { snr: 'the data model has no such variable' },
  refusal: null,
};

afterEach(() => vi.unstubAllGlobals());

test('a publication is planned before it is made, and a change asks for another plan', async () => {
  const asked: (VolumesOrder & { go: boolean })[] = [];
  vi.stubGlobal('fetch', (url: string, sent?: { body?: string }) => {
    let answer: VersionEntry[] | VolumesAnswer = [ward, { ...ward, dataset: 'far', lives: { kind: 'database', where: 'x' } }];
    if (url.includes('/imaging/publication')) {
      const order = JSON.parse(sent?.body ?? '') as VolumesOrder & { go: boolean };
      asked.push(order);
      const refusal = order.unproven ? null : 'Volumes are not known to meet every mark';
      answer = { plan: { ...plan, refusal }, rule: '', version: order.go ? 3 : null };
    }
    return Promise.resolve(new Response(JSON.stringify(answer), { headers: { 'Content-Type': 'application/json' } }));
  });
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>
          <PublicationSection />
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
  await userEvent.click(screen.getByRole('combobox', { name: 'Dataset' }));
  await userEvent.click(await screen.findByText('ward (dementia:1.0)'));
  expect(screen.queryByText('far (dementia:1.0)')).toBeNull();
  const see = screen.getByRole('button', { name: 'See what would happen' });
  const go = screen.getByRole('button', { name: 'Publish' });
  await userEvent.click(see);
  expect(await screen.findByText('Volumes are not known to meet every mark')).toBeDefined();
  expect(go.hasAttribute('disabled')).toBe(true);
  await userEvent.click(screen.getByLabelText(/For a trial/));
  expect(screen.queryByText('waiting for a review')).toBeNull();
  await userEvent.click(see);
  expect(await screen.findByText('Nothing stands against it.')).toBeDefined();
  expect(screen.getByText('9 of 40 patients stay without a scan. 2 columns, volumes in cm³.')).toBeDefined();
  expect(screen.getByText('waiting for a review')).toBeDefined();
  expect(screen.queryByText('outside the window')).toBeNull();
  await userEvent.click(go);
  expect(await screen.findByText('ward is at version 3.')).toBeDefined();
  expect(asked.map((order) => order.go)).toEqual([false, false, true]);
  expect(asked.at(-1)).toMatchObject({ dataset: 'ward', window: 180, target: null, unproven: true, replace: false });
}, 20_000);
