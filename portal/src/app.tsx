import { ActionIcon, Anchor, Box, Button, Group, Text, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { lazy, Suspense, useEffect, useRef } from 'react';
import { Link, NavLink, Route, Routes, useLocation } from 'react-router';

import { api, type Visit } from './api/client';
import { DatasetPage } from './datasets/DatasetPage';
import { DatasetsPage } from './datasets/DatasetsPage';
import { ExperimentList } from './experiments/ExperimentList';
import { ExperimentScreen } from './experiments/ExperimentScreen';
import { FederationPage, hasDuties, useFederation } from './federation/FederationPage';
import { HelpPage } from './help/HelpPage';
import { InboxPage } from './inbox/InboxPage';
import { ItemPage } from './inbox/ItemPage';
import { Gate, useVisit } from './people/Gate';
import { PeoplePage } from './people/PeoplePage';
import { ProfilePage } from './people/ProfilePage';
import { ScanPage } from './scans/ScanPage';
import { ScansPage } from './scans/ScansPage';
import { Empty } from './shared/Empty';
import { ErrorBoundary } from './shared/ErrorBoundary';
import { Icon } from './shared/Icon';
import { Loading } from './shared/Loading';
import { pageOf } from './shared/pageOf';
import { type Language, LANGUAGES, prefer } from './texts/language';
import { language, texts } from './texts/texts';
import { Workspace } from './workspace/Workspace';

const AdministrationPage = lazy(() => import('./administration/AdministrationPage'));

export function App() {
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const shown = useRef(pathname);
  // A new screen is read from its beginning; what had the focus on the last one is gone.
  useEffect(() => {
    if (shown.current !== pathname) main.current?.focus();
    shown.current = pathname;
  }, [pathname]);
  return (
    <>
      <a className="skip" href="#content">
        {texts.skip}
      </a>
      <Header />
      <main id="content" tabIndex={-1} ref={main}>
        <ErrorBoundary key={pathname}>
          <Gate>
          <PageCount path={pathname} />
          <Routes>
            <Route path="/" element={<Workspace />} />
            <Route path="/experiments" element={<ExperimentList />} />
            <Route path="/experiments/:id" element={<ExperimentScreen />} />
            <Route path="/datasets" element={<DatasetsPage />} />
            <Route path="/federation" element={<FederationPage />} />
            <Route path="/datasets/:model/:dataset" element={<DatasetPage />} />
            <Route path="/inbox" element={<InboxPage />} />
            <Route path="/inbox/:name" element={<ItemPage />} />
            <Route path="/scans" element={<ScansPage />} />
            <Route path="/scans/:id" element={<ScanPage />} />
            <Route path="/help" element={<HelpPage />} />
            <Route path="/profile" element={<ProfilePage />} />
            <Route path="/people" element={<PeoplePage />} />
            <Route
              path="/administration"
              element={
                <Suspense fallback={<Loading />}>
                  <AdministrationPage />
                </Suspense>
              }
            />
            <Route path="*" element={<NotFound />} />
          </Routes>
          </Gate>
        </ErrorBoundary>
      </main>
    </>
  );
}

/** Lets the server count what page is seen, once whoever sees it may. */
function PageCount({ path }: { path: string }) {
  const page = pageOf(path);
  useEffect(() => {
    // A count that is lost harms nobody.
    if (page) api.seen(page).catch(() => undefined);
  }, [page, path]);
  return null;
}

function Header() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const visit = useVisit();
  const federation = useFederation(visit);
  const links = linksFor(visit);
  if (hasDuties(federation.data, visit)) links.push(['/federation', texts.federation.title]);
  return (
    <Box component="header" className="top" c="white" h="3.25rem" px="md">
      <Group className="bar" justify="space-between" wrap="nowrap">
        <Group gap="lg" wrap="nowrap" className="places">
          <Anchor component={Link} to="/" c="white" underline="never" aria-label={`${texts.brand}, ${texts.brandLong}`}>
            <Group gap={8} wrap="nowrap">
              <img src="/mark.svg" alt="" width={26} height={26} />
              <Text fw={700} fz="lg" lh={1}>
                {texts.brand}
              </Text>
            </Group>
          </Anchor>
          <nav aria-label={texts.brandLong}>
            <Group gap="md" wrap="nowrap">
              {links.map(([to, label]) => (
                <NavLink
                  key={to}
                  to={to}
                  end={to === '/'}
                  data-tour={to === '/experiments' ? 'experiments' : undefined}
                  style={({ isActive }) => ({
                    color: 'white',
                    textDecoration: 'none',
                    fontSize: '0.92rem',
                    padding: '0.3rem 0.1rem',
                    borderBottom: `2px solid ${isActive ? '#8fe0d0' : 'transparent'}`,
                  })}
                >
                  {label}
                </NavLink>
              ))}
            </Group>
          </nav>
        </Group>
        <Group gap="xs" wrap="nowrap">
          {visit?.step === 'in' && (
            <Anchor component={Link} to="/help" c="white" fz="sm">
              {texts.help.title}
            </Anchor>
          )}
          <Anchor href="/api/docs" c="white" fz="sm">
            {texts.nav.api}
          </Anchor>
          {visit?.step === 'in' && visit.kind !== 'open' && <Who visit={visit} />}
          <LanguageChoice />
          <ActionIcon
            variant="subtle"
            color="gray.0"
            aria-label={texts.theme}
            onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}
          >
            <Icon name={scheme === 'dark' ? 'sun' : 'moon'} size={18} />
          </ActionIcon>
        </Group>
      </Group>
    </Box>
  );
}

/** The language of the portal; the page is loaded anew in it, and what was chosen stays. */
function LanguageChoice() {
  return (
    <select
      className="language"
      aria-label={texts.language}
      value={language}
      onChange={(event) => {
        prefer(event.currentTarget.value as Language);
        window.location.reload();
      }}
    >
      {Object.entries(LANGUAGES).map(([code, name]) => (
        <option key={code} value={code} lang={code}>
          {name}
        </option>
      ))}
    </select>
  );
}

/** The screens that a person's rights open. */
function linksFor(visit: Visit | undefined): [string, string][] {
  const may = (right: Visit['rights'][number]) => visit?.step === 'in' && visit.rights.includes(right);
  return [
    ...(may('explore') ? [['/', texts.nav.workspace] as [string, string]] : []),
    ...(may('analyse') ? [['/experiments', texts.nav.experiments] as [string, string]] : []),
    ...(may('explore') ? [['/datasets', texts.nav.datasets] as [string, string]] : []),
    ...(may('manage_data') ? [['/inbox', texts.nav.inbox] as [string, string]] : []),
    ...(may('manage_data') ? [['/scans', texts.nav.scans] as [string, string]] : []),
    ...(may('administer') || may('audit') ? [['/administration', texts.administration.title] as [string, string]] : []),
    ...(may('manage_people') && visit?.kind !== 'open' ? [['/people', texts.people.title] as [string, string]] : []),
  ];
}

function Who({ visit }: { visit: Visit }) {
  return (
    <>
      <Anchor component={Link} to="/profile" c="white" fz="sm">
        {visit.label}
      </Anchor>
      <Button
        size="compact-sm"
        variant="white"
        onClick={() => {
          // A fresh page: nothing of this person's stays in memory.
          void api.logOut().finally(() => window.location.assign('/'));
        }}
      >
        {texts.people.logOut}
      </Button>
    </>
  );
}

function NotFound() {
  return (
    <div className="page">
      <title>{`${texts.notFound.title} · ${texts.brand}`}</title>
      <Empty title={texts.notFound.title} hint={texts.notFound.hint}>
        <Button component={Link} to="/" mt="sm">
          {texts.notFound.back}
        </Button>
      </Empty>
    </div>
  );
}
