import { Anchor, Badge, Button, Group, Stack, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';

import { dataApi, type VersionEntry } from '../api/data';
import { Section } from '../inbox/Section';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { locale, texts } from '../texts/texts';
import { DatasetCard } from './DatasetCard';
import { DiffSection } from './DiffSection';
import { PolicyEditor } from './PolicyEditor';
import { QualityView } from './QualityView';

const t = texts.stewardship;
const NUMBERS = new Set(['version', 'patients', 'records', 'variables']);

/** A published dataset for its data manager: versions, what changed, quality, card, policy. */
export function DatasetPage() {
  const { model = '', dataset = '' } = useParams();
  const versions = useQuery({
    queryKey: ['versions', model, dataset],
    queryFn: () => dataApi.versions(model, dataset),
  });
  const current = versions.data?.find((version) => version.current);
  const stays = current?.lives.kind === 'database';
  return (
    <div className="page narrow">
      <title>{`${dataset} · ${texts.brand}`}</title>
      <Anchor component={Link} to="/datasets" size="sm">
        {t.back}
      </Anchor>
      <Stack gap="lg" mt="xs">
        <div>
          <Group gap="sm">
            <Title order={1} fz="1.55rem">
              {dataset}
            </Title>
            {current?.synthetic && <SyntheticBadge />}
          </Group>
          <Text size="sm" c="dimmed">
            {t.of(model)}. {current && t.lives[current.lives.kind](current.lives.where)}
          </Text>
        </div>
        {versions.isPending && <Loading />}
        <ProblemAlert error={versions.error} onRetry={() => void versions.refetch()} />
        {versions.data && (
          <>
            <Versions model={model} dataset={dataset} versions={versions.data} stays={stays} />
            {!stays && (
              <>
                <DiffSection key={versions.data.length} model={model} dataset={dataset} versions={versions.data} />
                <Quality model={model} dataset={dataset} />
              </>
            )}
            <DatasetCard model={model} dataset={dataset} />
            <Section title={t.policy.title}>
              <PolicyEditor model={model} dataset={dataset} />
            </Section>
          </>
        )}
      </Stack>
    </div>
  );
}

type Listed = { model: string; dataset: string; versions: VersionEntry[]; stays: boolean };

/** The versions; of a dataset that stays in its database the source's commands change them. */
function Versions({ model, dataset, versions, stays }: Listed) {
  const [asked, setAsked] = useState<number | 'remove'>();
  const client = useQueryClient();
  const navigate = useNavigate();
  const back = useMutation({
    mutationFn: (version: number) => dataApi.rollback(model, dataset, version),
    onSuccess: () => {
      setAsked(undefined);
      return client.invalidateQueries();
    },
  });
  const remove = useMutation({
    mutationFn: () => dataApi.remove(model, dataset),
    onSuccess: async () => {
      await navigate('/datasets');
      return client.invalidateQueries();
    },
  });
  return (
    <Section title={t.versions.title}>
      <ProblemAlert error={back.error ?? remove.error} />
      <div className="wide">
        <Table className="listing" aria-label={t.versions.title}>
          <Headings names={t.versions.columns} right={NUMBERS} />
          <Table.Tbody>
            {versions.toReversed().map((one) => (
              <Table.Tr key={one.version}>
                <Table.Td ta="right">{one.version}</Table.Td>
                <Table.Td>{new Date(one.published).toLocaleString(locale)}</Table.Td>
                <Table.Td ta="right">{one.patients.toLocaleString(locale)}</Table.Td>
                <Table.Td ta="right">{one.records.toLocaleString(locale)}</Table.Td>
                <Table.Td ta="right">{one.variables}</Table.Td>
                <Table.Td>{one.source}</Table.Td>
                <Table.Td>
                  {one.mapped && (
                    <Anchor
                      href={dataApi.mappingOf(model, dataset, one.version)}
                      target="_blank"
                      rel="noreferrer"
                      size="sm"
                      aria-label={t.versions.mapping(one.version)}
                    >
                      {t.versions.columns.mapping}
                    </Anchor>
                  )}
                </Table.Td>
                <Table.Td>
                  {one.current ? (
                    <Badge color="teal" variant="light" className="state">
                      {t.versions.current}
                    </Badge>
                  ) : (
                    <Button
                      size="compact-sm"
                      variant="light"
                      aria-label={t.versions.backOf(one.version)}
                      onClick={() => setAsked(one.version)}
                    >
                      {t.versions.back}
                    </Button>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
      {stays ? null : asked === undefined ? (
        <Button variant="subtle" color="red" size="compact-sm" w="fit-content" onClick={() => setAsked('remove')}>
          {t.versions.remove}
        </Button>
      ) : (
        <Group role="alert">
          <Text size="sm" fw={550}>
            {asked === 'remove' ? t.versions.removeAsk : t.versions.ask(asked)}
          </Text>
          <Button
            size="compact-sm"
            color={asked === 'remove' ? 'red' : undefined}
            loading={back.isPending || remove.isPending}
            onClick={() => (asked === 'remove' ? remove.mutate() : back.mutate(asked))}
          >
            {t.versions.confirm}
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => setAsked(undefined)}>
            {t.versions.cancel}
          </Button>
        </Group>
      )}
    </Section>
  );
}

function Quality({ model, dataset }: { model: string; dataset: string }) {
  const judge = useMutation({ mutationFn: () => dataApi.datasetQuality(model, dataset) });
  return (
    <Section title={texts.inbox.quality.title}>
      <Group>
        <Button variant="light" loading={judge.isPending} onClick={() => judge.mutate()}>
          {texts.inbox.quality.judge}
        </Button>
        {judge.data && (
          <Anchor href={dataApi.datasetQualityPage(model, dataset)} target="_blank" rel="noreferrer" size="sm">
            {texts.inbox.quality.page}
          </Anchor>
        )}
      </Group>
      <ProblemAlert error={judge.error} />
      {judge.data && <QualityView report={judge.data} />}
    </Section>
  );
}
