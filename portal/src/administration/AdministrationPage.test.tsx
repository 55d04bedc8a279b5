import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { afterEach, expect, test, vi } from 'vitest';

import type { LedgerEntry, Notices, System } from '../api/administration';
import type { Right } from '../api/client';
import AdministrationPage from './AdministrationPage';

const system: System = {
  version: '0.1.0',
  python: '3.13.1',
  started: '2026-01-02T03:04:05Z',
  database: 'sqlite',
  memory: 3 * 2 ** 29,
  disk_free: 5 * 2 ** 30,
  disk_total: 100 * 2 ** 30,
  disk_low: true,
  backups: true,
  backup: null,
  backup_old: true,
  running: 1,
  queued: 2,
  datasets: 3,
  ledger_rows: 4000,
  ledger_head: true,
  sites: 3,
  silent_sites: ['Valley Memory Clinic'],
};
const usage = {
  days: [
    { day: '2026-01-01', experiments: 0, persons: 0, log_ins: 0, views: 0 },
    { day: '2026-01-02', experiments: 7, persons: 2, log_ins: 5, views: 31 },
  ],
  persons: 2,
  states: { done: 7 },
  pages: { workspace: 30, dataset: 1 },
};
const notices: Notices = {
  language: 'en',
  summary_minutes: 15,
  ways: [
    { name: 'email', reaches: 'it@hospital.example (smtp.hospital.example)', events: ['backups'] },
    { name: 'slack', reaches: '', events: [] },
  ],
  waiting: 1,
  sent: 4,
  given_up: 0,
  deliveries: [
    {
      event: 'e',
      kind: 'backups.failed',
      count: 1,
      at: '2026-01-02T03:04:05Z',
      channel: 'email',
      state: 'waiting',
      attempts: 2,
      problem: 'the certificate is not accepted',
      due: '2026-01-02T04:04:05Z',
      ended: null,
    },
  ],
};
const refusal: LedgerEntry = {
  number: 12,
  at: '2026-01-02T03:04:05Z',
  user: 'ada',
  experiment: 'e',
  algorithm: 'histogram',
  cohort: 'c',
  snapshots: {},
  statistic: 'Counts',
  verdict: 'refused',
  rule: 'overlap',
  reason: 'The cohort differs from an earlier one by too few patients.',
  suppressed: 0,
  previous: 'p',
  hash: 'h',
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** The page as somebody with these rights sees it; the addresses that it asks are kept. */
function shown(rights: Right[], broken: number | null = null): string[] {
  const asked: string[] = [];
  vi.stubGlobal('fetch', (url: string) => {
    asked.push(url);
    const answers: [string, unknown][] = [
      ['/session', { step: 'in', kind: 'local', name: 'ada', label: 'Ada', rights }],
      ['/system', system],
      ['/usage', usage],
      ['/audit/check', { rows: 4000, broken }],
      ['/audit', { total: 120, items: [refusal] }],
      ['/journal', { total: 0, items: [] }],
      ['/notices/test', { event: 'e' }],
      ['/notices', notices],
    ];
    const answer = answers.find(([path]) => url.startsWith(`/api/v1${path}`))?.[1];
    return Promise.resolve(new Response(JSON.stringify(answer), { headers: { 'Content-Type': 'application/json' } }));
  });
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>
          <AdministrationPage />
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return asked;
}

test('an administrator sees what needs them and how much is used, and nothing of the ledger', async () => {
  const asked = shown(['administer']);
  expect(await screen.findByText(/Less than a tenth of the disk is free/)).toBeDefined();
  expect(screen.getByText(/Not heard of: Valley Memory Clinic/)).toBeDefined();
  expect(screen.queryByText('Nothing needs you.')).toBeNull();
  expect(screen.getByText('5 of 100 GB free')).toBeDefined();
  expect(screen.getByText('2 of 3 there')).toBeDefined();
  expect(screen.getByText(/newest backup is older than 26 hours, or there is none/)).toBeDefined();
  expect(await screen.findByText('Experiments: 7. Persons who ran them: 2.')).toBeDefined();
  expect(screen.getByRole('table', { name: 'Pages by how often they were seen' }).textContent).toBe('PageSeenExplore & analyse30One dataset1');
  expect(screen.queryByRole('tab', { name: 'Ledger' })).toBeNull();
  expect(asked.filter((url) => url.includes('/audit'))).toEqual([]);
});

test('a privacy officer searches the ledger on the server, and turns its pages', async () => {
  const asked = shown(['audit']);
  expect(await screen.findByText(refusal.reason)).toBeDefined();
  expect(screen.queryByRole('tab', { name: 'System' })).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: 'Older' }));
  await vi.waitFor(() => expect(asked.at(-1)).toContain('offset=50'));
  await userEvent.type(screen.getByRole('searchbox', { name: 'Person, algorithm, rule or reason' }), 'ada');
  await vi.waitFor(() => expect(asked.at(-1)).toContain('search=ada'));
  expect(asked.at(-1)).toContain('offset=0');
});

test('an administrator sees who is told, what did not arrive and why, and sends a test', async () => {
  const asked = shown(['administer']);
  await userEvent.click(await screen.findByRole('tab', { name: 'Notices' }));
  expect(await screen.findByText('it@hospital.example (smtp.hospital.example)')).toBeDefined();
  expect(screen.getByText('its address is a secret')).toBeDefined();
  expect(screen.getByText('the certificate is not accepted')).toBeDefined();
  expect(screen.getByText(/Tried 2 times, again at/)).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: 'Send a test' }));
  expect(await screen.findByText(/A test is on its way/)).toBeDefined();
  expect(asked).toContain('/api/v1/notices/test');
});

test('a broken seal is told with its row', async () => {
  shown(['audit'], 1234);
  await userEvent.click(await screen.findByRole('button', { name: 'Check the seals' }));
  expect(await screen.findByText(/Row 1,234 was changed, moved or removed/)).toBeDefined();
});

test('who has neither right is told so, and nothing is asked', async () => {
  const asked = shown(['explore']);
  expect(await screen.findByText('Nothing here is yours to see')).toBeDefined();
  expect(asked.every((url) => url.includes('/session'))).toBe(true);
});
