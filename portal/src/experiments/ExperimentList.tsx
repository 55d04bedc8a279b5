import { Button, Group, Modal, Table, Text, Title } from '@mantine/core';
import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import { api, type InputData, type ListedExperiment } from '../api/client';
import { Empty } from '../shared/Empty';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { allVariables } from '../workspace/variables';
import { ExperimentRow } from './ExperimentRow';
import { ListFilters } from './ListFilters';
import { asked, useWishes } from './wishes';

const t = texts.experiment;
const PAGE = 25;

/** The experiments that one sees, newest first, page by page from the server. */
export function ExperimentList() {
  const client = useQueryClient();
  const { wishes, page, wish, turn, clear } = useWishes();
  const [doomed, setDoomed] = useState<ListedExperiment | null>(null);
  const query = useQuery({
    queryKey: ['experiments', wishes, page],
    queryFn: () => api.experiments(asked(wishes), PAGE, page * PAGE),
    placeholderData: (before) => before,
    refetchInterval: 5000,
  });
  const remove = useMutation({
    mutationFn: (id: string) => api.remove(id),
    onSuccess: () => {
      if (query.data?.items.length === 1 && page > 0) turn(page - 1);
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
  const filtered = Object.values(wishes).some(Boolean);
  const columns = [t.algorithm, texts.workspace.datasets, t.state, t.created, t.duration];
  return (
    <div className="page">
      <title>{`${t.list} · ${texts.brand}`}</title>
      <Group justify="space-between" mb="sm" align="baseline">
        <Title order={1} fz="1.55rem">
          {t.list}
        </Title>
        <Text size="sm" c="dimmed" role="status">
          {query.data && total > 0 ? texts.experiments.filters.found(total) : ''}
        </Text>
      </Group>
      <ListFilters wishes={wishes} onWish={wish} onClear={clear} />
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
              <Table.Td className="slim" />
              {[t.name, ...columns].map((title) => (
                <Table.Th key={title} scope="col" className={title === t.name || title === t.state ? '' : 'roomy'}>
                  {title}
                </Table.Th>
              ))}
              <Table.Td />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {query.data.items.map((item) => (
              <ExperimentRow
                key={item.id}
                item={item}
                algorithm={labels.get(item.algorithm) ?? item.algorithm}
                roles={roles(item.request.inputdata)}
                synthetic={synthetic}
                onRemove={() => setDoomed(item)}
              />
            ))}
          </Table.Tbody>
        </Table>
      )}
      {pages > 1 && (
        <Group mt="md" justify="center">
          <Button size="xs" variant="default" disabled={page === 0} onClick={() => turn(page - 1)}>
            {t.previous}
          </Button>
          <Text size="sm">{t.of(page * PAGE + 1, Math.min(total, (page + 1) * PAGE), total)}</Text>
          <Button size="xs" variant="default" disabled={page + 1 >= pages} onClick={() => turn(page + 1)}>
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
