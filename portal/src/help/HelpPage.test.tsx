import { MantineProvider } from '@mantine/core';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { beforeEach, expect, test } from 'vitest';

import { texts } from '../texts/texts';
import { HelpPage } from './HelpPage';
import { pages } from './pages';
import { TourOffer } from './Tour';

const user = userEvent.setup();
/** Documents come in a piece of the program of their own, which is read at first need. */
const PATIENT = { timeout: 20_000 };

function shown(address: string) {
  render(
    <MantineProvider>
      <MemoryRouter initialEntries={[address]}>
        <HelpPage />
      </MemoryRouter>
    </MantineProvider>,
  );
}

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

test('finds words of the glossary by what they mean', async () => {
  shown('/help?part=words');
  await user.type(screen.getByLabelText('Search the glossary'), 'invented');
  expect(screen.getAllByRole('term').map((term) => term.textContent)).toEqual(['Synthetic']);
});

test('shows a page of the documentation and goes on to the next by its links', async () => {
  shown('/help?part=documents');
  expect(await screen.findByRole('heading', { name: 'For the researcher', level: 2 }, PATIENT)).toBeDefined();
  const links = await screen.findAllByRole('button', { name: 'access token' });
  await user.click(links[0] as HTMLElement);
  expect(await screen.findByRole('heading', { name: 'For the IT administrator', level: 2 }, PATIENT)).toBeDefined();
}, 60_000);

test('shows whole pages alone, each by its name', () => {
  expect(Object.keys(pages)).toEqual(Object.keys(texts.help.documents));
  for (const page of Object.values(pages)) expect(page).toMatch(/^# /);
  expect(Object.values(pages).filter((page) => page.includes('<!-- derived'))).toEqual([]);
  expect(pages['privacy-officer']).toContain('minimum_patients');
});

test('offers the tour once, and leads through it by keys', async () => {
  const first = render(
    <MantineProvider>
      <TourOffer />
    </MantineProvider>,
  );
  await user.click(screen.getByRole('button', { name: 'Take the tour' }));
  expect(document.activeElement).toBe(screen.getByRole('dialog', { name: 'Tour' }));
  for (let step = 1; step < texts.help.tour.steps.length; step += 1) {
    await user.click(screen.getByRole('button', { name: 'Next' }));
  }
  expect(screen.getByText('Step 5 of 5')).toBeDefined();
  await user.keyboard('{Escape}');
  expect(screen.queryByRole('dialog')).toBeNull();
  first.unmount();
  render(
    <MantineProvider>
      <TourOffer />
    </MantineProvider>,
  );
  expect(screen.queryByRole('button', { name: 'Take the tour' })).toBeNull();
});
