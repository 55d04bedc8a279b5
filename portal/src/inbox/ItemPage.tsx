import { Accordion, Alert, Anchor, Button, Group, Progress, Stack, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from 'react-router';

import { dataApi, type InboxEntry } from '../api/data';
import { PolicyEditor } from '../datasets/PolicyEditor';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';
import { IdentifiersSection } from './IdentifiersSection';
import { isMoving } from './item';
import { ItemBadge } from './ItemBadge';
import { ProblemsSection } from './ProblemsSection';
import { PublishSection } from './PublishSection';
import { QualitySection } from './QualitySection';
import { ReadingSection } from './ReadingSection';
import { Section } from './Section';

const t = texts.inbox;
const LOOK_EVERY = 1_000;

/** One file of the inbox: what it is, how it is read, what is wrong with it, its publication. */
export function ItemPage() {
  const name = useParams()['name'] ?? '';
  const query = useQuery({
    queryKey: ['inbox', name],
    queryFn: () => dataApi.item(name),
    refetchInterval: LOOK_EVERY,
  });
  return (
    <div className="page narrow">
      <title>{`${name} · ${texts.brand}`}</title>
      <Anchor component={Link} to="/inbox" size="sm">
        {t.back}
      </Anchor>
      {query.isPending && <Loading />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.data && <Item item={query.data} />}
    </div>
  );
}

function Item({ item }: { item: InboxEntry }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const look = useMutation({
    mutationFn: () => dataApi.look(item.name),
    onSuccess: () => client.invalidateQueries({ queryKey: ['inbox'] }),
  });
  const forget = useMutation({ mutationFn: () => dataApi.forget(item.name), onSuccess: () => navigate('/inbox') });
  const dataset = item.choice?.dataset ?? (item.datasets.length === 1 ? item.datasets[0] : undefined);
  return (
    <Stack gap="lg" mt="xs">
      <Group justify="space-between" align="start">
        <div>
          <Group gap="sm">
            <Title order={1} fz="1.55rem">
              {item.name}
            </Title>
            <ItemBadge item={item} />
          </Group>
          <Text size="sm" c="dimmed">
            {t.bytes(item.size)}, {t.changed(new Date(item.changed).toLocaleString(locale))}
          </Text>
        </div>
        {!item.gone && (
          <Button variant="default" size="xs" loading={look.isPending} disabled={isMoving(item)} onClick={() => look.mutate()}>
            {t.again}
          </Button>
        )}
      </Group>
      <div role="status">{isMoving(item) && <Moving item={item} />}</div>
      <ProblemAlert error={look.error ?? forget.error} />
      {item.gone && (
        <Alert color="orange" variant="light" className="problem" title={t.goneTitle}>
          <Text size="sm">{t.goneHint}</Text>
          <Button mt="sm" size="xs" variant="default" onClick={() => forget.mutate()}>
            {t.forget}
          </Button>
        </Alert>
      )}
      {item.trouble && <ProblemAlert problem={item.trouble} />}
      {item.tables.length > 0 && <FileSection item={item} />}
      {!item.gone && <ReadingSection key={`${item.name} ${item.stamp}`} item={item} />}
      {item.choice && !item.trouble && <ProblemsSection item={item} />}
      {item.choice && <IdentifiersSection key={`${item.stamp} ${item.problems.length}`} item={item} />}
      {item.choice && item.state !== 'arriving' && !item.gone && <QualitySection key={item.stamp} item={item} />}
      {item.choice && dataset && (
        <Accordion variant="contained" chevronPosition="left">
          <Accordion.Item value="policy">
            <Accordion.Control>{texts.stewardship.policy.title}</Accordion.Control>
            <Accordion.Panel>
              <PolicyEditor model={item.choice.model} dataset={dataset} />
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
      )}
      <PublishSection item={item} />
    </Stack>
  );
}

function Moving({ item }: { item: InboxEntry }) {
  return (
    <>
      <Text size="sm">{item.step || t.states[item.state]}</Text>
      <Progress
        value={item.fraction ? item.fraction * 100 : 100}
        animated
        aria-label={item.step || t.states[item.state]}
        mt={4}
      />
    </>
  );
}

function FileSection({ item }: { item: InboxEntry }) {
  return (
    <Section title={t.file.title}>
      {item.tables.map((table) => (
        <div key={`${table.file} ${table.written}`}>
          <Text size="sm">
            {item.tables.length > 1 || table.file !== item.name ? `${table.file}: ` : ''}
            {t.file.rows(table.rows)}; {table.written}
            {table.split > 0 && `; ${t.file.split(table.split)}`}
          </Text>
          <Accordion variant="contained" chevronPosition="left" mt="xs">
            <Accordion.Item value="columns">
              <Accordion.Control>{t.file.columns(table.columns.length)}</Accordion.Control>
              <Accordion.Panel>
                <div className="wide">
                  <Table className="listing" aria-label={t.file.columns(table.columns.length)}>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th scope="col">{t.file.name}</Table.Th>
                        <Table.Th scope="col">{t.file.kind}</Table.Th>
                        <Table.Th scope="col" ta="right" title={t.file.filledHint}>
                          {t.file.filled}
                        </Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {table.columns.map((column, index) => (
                        <Table.Tr key={index}>
                          <Table.Td>{column.name}</Table.Td>
                          <Table.Td>{t.file.kinds[column.kind] ?? column.kind}</Table.Td>
                          <Table.Td ta="right">{column.filled.toLocaleString(locale)}</Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                </div>
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
        </div>
      ))}
    </Section>
  );
}
