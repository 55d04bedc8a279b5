import { Alert, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { administrationApi, type System, type Usage } from '../api/administration';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import type { Page } from '../shared/pageOf';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';

const t = texts.administration;
const DATABASES: Record<string, string | undefined> = t.databases;
const DAYS = 30;
const LOOK_EVERY = 15_000;
const GIGABYTE = 2 ** 30;

/** How the server is, and how much it is used; both are counted here and told to nobody else. */
export function SystemView() {
  const system = useQuery({ queryKey: ['system'], queryFn: administrationApi.system, refetchInterval: LOOK_EVERY });
  const usage = useQuery({ queryKey: ['usage'], queryFn: () => administrationApi.usage(DAYS) });
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
      <section aria-labelledby="system-now">
        <Title order={2} fz="lg" id="system-now" mb="sm">
          {t.now}
        </Title>
        {system.isPending && <Loading />}
        <ProblemAlert error={system.error} onRetry={() => void system.refetch()} />
        {system.data && <Now system={system.data} />}
      </section>
      <section aria-labelledby="system-usage">
        <Title order={2} fz="lg" id="system-usage">
          {t.usage(DAYS)}
        </Title>
        {usage.isPending && <Loading />}
        <ProblemAlert error={usage.error} onRetry={() => void usage.refetch()} />
        {usage.data && <Used usage={usage.data} />}
      </section>
    </SimpleGrid>
  );
}

function Now({ system }: { system: System }) {
  const size = (bytes: number) => (bytes / GIGABYTE).toLocaleString(locale, { maximumFractionDigits: 1 });
  const facts = [
    [t.facts.version, `${system.version} (Python ${system.python})`],
    [t.facts.started, new Date(system.started).toLocaleString(locale)],
    [t.facts.database, DATABASES[system.database] ?? system.database],
    [t.facts.memory, system.memory === null ? t.unknown : `${size(system.memory)} GB`],
    [t.facts.disk, t.free(size(system.disk_free), size(system.disk_total))],
    [t.facts.backup, system.backups ? (system.backup ? new Date(system.backup).toLocaleString(locale) : t.never) : t.noBackups],
    [t.facts.work, t.working(system.running, system.queued)],
    [t.facts.datasets, system.datasets.toLocaleString(locale)],
    [t.facts.ledger, system.ledger_rows.toLocaleString(locale)],
    ...(system.sites > 0 ? [[t.facts.hospitals, t.reached(system.sites - system.silent_sites.length, system.sites)]] : []),
  ];
  const worries = [
    ...(system.disk_low ? [t.worries.disk] : []),
    ...(system.backup_old ? [t.worries.backup] : []),
    ...(system.ledger_head ? [] : [t.worries.ledger]),
    ...(system.silent_sites.length > 0 ? [t.worries.silent(system.silent_sites.join(', '))] : []),
  ];
  return (
    <>
      <Stack gap="xs" mb="md" role="status">
        {worries.length === 0 && <Alert color="teal">{t.well}</Alert>}
        {worries.map((worry) => (
          <Alert key={worry} color="orange">
            {worry}
          </Alert>
        ))}
      </Stack>
      <Table aria-label={t.now}>
        <Table.Tbody>
          {facts.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row" fw={500}>
                {name}
              </Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Text size="xs" c="dimmed" mt="xs">
        {t.doctor}
      </Text>
    </>
  );
}

/** Bars of experiments by day, and the same as a table without days of no use; then the pages. */
function Used({ usage: { days, persons, pages } }: { usage: Usage }) {
  const most = Math.max(1, ...days.map((day) => day.experiments));
  const total = days.reduce((sum, day) => sum + day.experiments, 0);
  const busy = days.filter((day) => day.experiments + day.log_ins + day.views > 0).reverse();
  const seen = Object.entries(pages) as [Page, number][];
  const said = t.used(total.toLocaleString(locale), persons.toLocaleString(locale));
  return (
    <>
      <Text size="sm" mb="sm">
        {said}
      </Text>
      {total > 0 && (
        <div className="bars" role="img" aria-label={said}>
          {days.map((day) => (
            <span
              key={day.day}
              title={t.onDay(new Date(day.day).toLocaleDateString(locale), day.experiments)}
              style={{ height: `${(100 * day.experiments) / most}%` }}
            />
          ))}
        </div>
      )}
      {busy.length > 0 && (
        <Table className="listing" aria-label={t.usage(DAYS)} mt="sm">
          <Headings names={t.usageColumns} />
          <Table.Tbody>
            {busy.map((day) => (
              <Table.Tr key={day.day}>
                <Table.Td>{new Date(day.day).toLocaleDateString(locale)}</Table.Td>
                <Table.Td>{day.experiments.toLocaleString(locale)}</Table.Td>
                <Table.Td>{day.persons.toLocaleString(locale)}</Table.Td>
                <Table.Td>{day.log_ins.toLocaleString(locale)}</Table.Td>
                <Table.Td>{day.views.toLocaleString(locale)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      {seen.length > 0 && (
        <Table className="listing" aria-label={t.pages} mt="lg">
          <Headings names={t.pageColumns} />
          <Table.Tbody>
            {seen.map(([page, views]) => (
              <Table.Tr key={page}>
                <Table.Td>{t.pageNames[page]}</Table.Td>
                <Table.Td>{views.toLocaleString(locale)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </>
  );
}
