import { Anchor, Button, Group, Modal, Select, Table, Text, TextInput, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import { api, type InputData, type Summary } from '../api/client';
import { Empty } from '../shared/Empty';
import { Icon } from '../shared/Icon';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { texts } from '../texts/en';
import { allVariables } from '../workspace/variables';
import { StateBadge } from './StateBadge';

const t = texts.experiment;
const PAGE = 25;

/** My experiments, newest first, page by page from the server. */
export function ExperimentList() {
  const client = useQueryClient();
  const [search, setSearch] = useState('');
  const [asked] = useDebouncedValue(search, 250);
  const [state, setState] = useState<string | null>(null);
  const [page, setPage] = useState(0);
  const [doomed, setDoomed] = useState<Summary | null>(null);
  const query = useQuery({
    queryKey: ['experiments', asked, state, page],
    queryFn: () => api.experiments(asked, state ?? '', PAGE, page * PAGE),
    placeholderData: (before) => before,
    refetchInterval: 5000,
  });
  const remove = useMutation({
    mutationFn: (id: string) => api.remove(id),
    onSuccess: () => {
      if (query.data?.items.length === 1 && page > 0) setPage(page - 1);
      setDoomed(null);
      return client.invalidateQueries({ queryKey: ['experiments'] });
    },
  });
  const algorithms = useQuery({ queryKey: ['algorithms'], queryFn: api.algorithms, staleTime: Infinity });
  const published = useQuery({ queryKey: ['datasets'], queryFn: () => api.datasets() });
  const labels = new Map(algorithms.data?.map((algorithm) => [algorithm.name, algorithm.label]));
  const synthetic = new Set(published.data?.filter((one) => one.synthetic).map((one) => one.code));
  const keys = [...new Set(query.data?.items.map((item) => item.request.inputdata.data_model))];
  const models = useQueries({
    queries: keys.map((key) => ({ queryKey: ['model', key], queryFn: () => api.model(key), retry: false })),
  });
  const trees = new Map(models.flatMap(({ data }) => (data ? [[data.key, allVariables(data)] as const] : [])));
  const roles = ({ y, x, data_model: key }: InputData) => {
    const named = (codes: readonly string[] | null | undefined) => {
      const first = (codes ?? []).slice(0, 4).map((code) => trees.get(key)?.get(code)?.label || code);
      return first.join(', ') + ((codes?.length ?? 0) > first.length ? ', …' : '');
    };
    return x?.length ? t.by(named(y), named(x)) : named(y);
  };
  const total = query.data?.total ?? 0;
  const pages = Math.ceil(total / PAGE);
  const filtered = asked !== '' || state !== null;
  return (
    <div className="page">
      <title>{`${t.list} · ${texts.brand}`}</title>
      <Group justify="space-between" mb="md" align="flex-end">
        <Title order={1} fz="1.55rem">
          {t.list}
        </Title>
        <Group>
          <TextInput
            type="search"
            leftSection={<Icon name="search" size={15} />}
            w={260}
            aria-label={t.search}
            placeholder={t.search}
            value={search}
            onChange={(event) => {
              setSearch(event.currentTarget.value);
              setPage(0);
            }}
          />
          <Select
            aria-label={t.state}
            placeholder={t.anyState}
            clearable
            w={150}
            data={Object.entries(t.states).map(([value, label]) => ({ value, label }))}
            value={state}
            onChange={(value) => {
              setState(value);
              setPage(0);
            }}
          />
        </Group>
      </Group>
      {query.isPending && <Loading />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.data?.total === 0 &&
        (filtered ? (
          <Empty title={t.noMatch} />
        ) : (
          <Empty title={t.empty} hint={t.emptyHint}>
            <Button component={Link} to="/" mt="sm">
              {t.toWorkspace}
            </Button>
          </Empty>
        ))}
      {query.data && query.data.total > 0 && (
        <Table highlightOnHover verticalSpacing="xs" className="listing" aria-label={t.list}>
          <Table.Thead>
            <Table.Tr>
              {[t.name, t.algorithm, texts.workspace.datasets, t.state, t.created, t.duration].map((title) => (
                <Table.Th key={title} scope="col">
                  {title}
                </Table.Th>
              ))}
              <Table.Td />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {query.data.items.map((item) => (
              <Table.Tr key={item.id}>
                <Table.Td>
                  <Anchor component={Link} to={`/experiments/${item.id}`} fw={550}>
                    {item.name}
                  </Anchor>
                  <Text size="xs" c="dimmed">
                    {roles(item.request.inputdata)}
                  </Text>
                </Table.Td>
                <Table.Td>{labels.get(item.algorithm) ?? item.algorithm}</Table.Td>
                <Table.Td>
                  {item.request.inputdata.datasets.map((code) => (
                    <Group key={code} gap={6} wrap="nowrap">
                      {code} {synthetic.has(code) && <SyntheticBadge />}
                    </Group>
                  ))}
                </Table.Td>
                <Table.Td>
                  <StateBadge state={item.state} />
                </Table.Td>
                <Table.Td>{new Date(item.created).toLocaleString('en-GB')}</Table.Td>
                <Table.Td>{typeof item.duration === 'number' ? t.seconds(item.duration) : ''}</Table.Td>
                <Table.Td>
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    color="gray"
                    disabled={item.state === 'queued' || item.state === 'running'}
                    onClick={() => setDoomed(item)}
                    aria-label={`${t.remove} ${item.name}`}
                  >
                    {t.remove}
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      {pages > 1 && (
        <Group mt="md" justify="center">
          <Button size="xs" variant="default" disabled={page === 0} onClick={() => setPage(page - 1)}>
            {t.previous}
          </Button>
          <Text size="sm">
            {t.of(page * PAGE + 1, Math.min(total, (page + 1) * PAGE), total)}
          </Text>
          <Button size="xs" variant="default" disabled={page + 1 >= pages} onClick={() => setPage(page + 1)}>
            {t.next}
          </Button>
        </Group>
      )}
      <Modal opened={doomed !== null} onClose={() => setDoomed(null)} title={<b>{t.remove}</b>}>
        <Text mb="md">{t.removeAsk(doomed?.name ?? '')}</Text>
        <ProblemAlert error={remove.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={() => setDoomed(null)}>
            {t.keep}
          </Button>
          <Button color="red" loading={remove.isPending} onClick={() => doomed && remove.mutate(doomed.id)}>
            {t.remove}
          </Button>
        </Group>
      </Modal>
    </div>
  );
}
