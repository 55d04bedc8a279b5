import { ActionIcon, Anchor, Box, Button, Group, Text, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { Link, NavLink, Route, Routes, useLocation } from 'react-router';

import { DatasetsPage } from './datasets/DatasetsPage';
import { ExperimentList } from './experiments/ExperimentList';
import { ExperimentScreen } from './experiments/ExperimentScreen';
import { Empty } from './shared/Empty';
import { ErrorBoundary } from './shared/ErrorBoundary';
import { Icon } from './shared/Icon';
import { texts } from './texts/en';
import { Workspace } from './workspace/Workspace';

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
          <Routes>
            <Route path="/" element={<Workspace />} />
            <Route path="/experiments" element={<ExperimentList />} />
            <Route path="/experiments/:id" element={<ExperimentScreen />} />
            <Route path="/datasets" element={<DatasetsPage />} />
            <Route path="*" element={<NotFound />} />
          </Routes>
        </ErrorBoundary>
      </main>
    </>
  );
}

function Header() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const links = [
    ['/', texts.nav.workspace],
    ['/experiments', texts.nav.experiments],
    ['/datasets', texts.nav.datasets],
  ] as const;
  return (
    <Box component="header" className="top" c="white" h="3.25rem" px="md">
      <Group h="100%" justify="space-between" wrap="nowrap">
        <Group gap="lg" wrap="nowrap">
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
          <Anchor href="/api/docs" c="white" fz="sm">
            {texts.nav.api}
          </Anchor>
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
