import { Anchor, Badge, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'react-router';

import { api } from '../api/client';
import { StateBadge } from '../experiments/StateBadge';
import { useVisit } from '../people/Gate';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { locale, texts } from '../texts/texts';

const t = texts.home;
const RECENT = 5;
const NEWS = 5;
const DAYS = 30;

/** What has happened since one was here: own work, the data, the hospitals; each part fails alone. */
export function HomeNews() {
  const visit = useVisit();
  return (
    <SimpleGrid cols={{ base: 1, xl: 2 }} spacing="lg">
      {visit?.rights.includes('analyse') && <Recent />}
      <News />
      <Hospitals />
    </SimpleGrid>
  );
}

function Recent() {
  const recent = useQuery({ queryKey: ['experiments', 'recent'], queryFn: () => api.experiments({}, RECENT, 0) });
  return (
    <Part title={t.recent} query={recent}>
      {recent.data?.items.length === 0 && <Quiet>{t.none}</Quiet>}
      {recent.data?.items.map(({ id, name, state }) => (
        <Group key={id} justify="space-between" wrap="nowrap" gap="sm">
          <Anchor component={Link} to={`/experiments/${id}`} size="sm" lineClamp={1}>
            {name}
          </Anchor>
          <StateBadge state={state} />
        </Group>
      ))}
      {recent.data && recent.data.total > RECENT && (
        <Anchor component={Link} to="/experiments" size="sm" mt={4}>
          {t.all}
        </Anchor>
      )}
    </Part>
  );
}

function News() {
  const published = useQuery({ queryKey: ['datasets'], queryFn: () => api.datasets() });
  const since = published.dataUpdatedAt - DAYS * 24 * 3600 * 1000;
  const news = (published.data ?? [])
    .filter((dataset) => new Date(dataset.published).getTime() > since)
    .sort((one, other) => other.published.localeCompare(one.published))
    .slice(0, NEWS);
  return (
    <Part title={t.news} query={published}>
      {published.data && news.length === 0 && <Quiet>{t.quiet(DAYS)}</Quiet>}
      {news.map((dataset) => (
        <div key={`${dataset.model} ${dataset.code}`}>
          <Group gap={6}>
            <Text size="sm">{dataset.label}</Text>
            <Badge size="xs" variant="light" tt="none" className="state">
              {t.published(dataset.version)}
            </Badge>
            {dataset.synthetic && <SyntheticBadge />}
          </Group>
          <Text size="xs" c="dimmed">
            {dataset.site && `${dataset.site} · `}
            {t.at(new Date(dataset.published).toLocaleDateString(locale), dataset.patients.toLocaleString(locale))}
          </Text>
        </div>
      ))}
    </Part>
  );
}

/** The federation's hospitals, where there is one. */
function Hospitals() {
  const sites = useQuery({ queryKey: ['sites'], queryFn: api.sites, refetchInterval: 15_000 });
  if (!sites.error && !sites.data?.length) return null;
  const silent = sites.data?.filter(({ alive }) => !alive).length ?? 0;
  return (
    <Part title={t.hospitals} query={sites}>
      {sites.data?.map((site) => (
        <Group key={site.node} justify="space-between" wrap="nowrap" gap="sm">
          <Text size="sm">
            {site.name}{' '}
            <Text span size="xs" c="dimmed">
              {t.holds(site.datasets.length)}
            </Text>
          </Text>
          <Badge variant="light" tt="none" miw="max-content" color={!site.alive ? 'red' : site.paused ? 'gray' : 'teal'}>
            {!site.alive ? t.away : site.paused ? t.paused : t.there}
          </Badge>
        </Group>
      ))}
      {silent > 0 && (
        <Text size="sm" role="status">
          {t.missing(silent)}
        </Text>
      )}
    </Part>
  );
}

interface Asked {
  isPending: boolean;
  error: Error | null;
  refetch: () => unknown;
}

function Part({ title, query, children }: { title: string; query: Asked; children: ReactNode }) {
  return (
    <Card withBorder component="section" aria-label={title}>
      <Title order={2} fz="sm" mb="xs">
        {title}
      </Title>
      {query.isPending && <Loading lines={3} />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      <Stack gap={8}>{children}</Stack>
    </Card>
  );
}

function Quiet({ children }: { children: ReactNode }) {
  return (
    <Text size="sm" c="dimmed">
      {children}
    </Text>
  );
}
