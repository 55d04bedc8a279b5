import { Alert, Anchor, Button, Checkbox, Group, NumberInput, Select, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import { dataApi } from '../api/data';
import { publishVolumes, type VolumesOrder, type PublicationPlan } from '../api/publication';
import { Section } from '../inbox/Section';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';

const t = texts.publication;
const DAYS = 180;
const MOST_DAYS = 36_500;
const FATES = ['joined', 'no_patient', 'outside', 'ambiguous', 'undated', 'spare', 'other', 'waiting', 'rejected'] as const;
const CONSENTS = ['replace', 'small', 'unproven'] as const;

/** Volumes of accepted scans on their way to a dataset: the plan first, then the publication. */
export function PublicationSection() {
  const published = useQuery({ queryKey: ['published'], queryFn: dataApi.published });
  const here = published.data?.filter(({ lives }) => lives.kind !== 'database') ?? [];
  const [chosen, setChosen] = useState<string | null>(null);
  const [days, setDays] = useState<number | string>(DAYS);
  const [target, setTarget] = useState('');
  const [said, setSaid] = useState({ replace: false, small: false, unproven: false });
  const client = useQueryClient();
  const plan = useMutation({ mutationFn: (order: VolumesOrder) => publishVolumes(order, false) });
  const go = useMutation({
    mutationFn: (order: VolumesOrder) => publishVolumes(order, true),
    onSuccess: () => client.invalidateQueries({ queryKey: ['published'] }),
  });
  const one = here.find(({ model, dataset }) => `${model} ${dataset}` === chosen);
  const order: VolumesOrder | undefined = one && {
    model: one.model,
    dataset: one.dataset,
    target: target.trim() || null,
    window: Number(days),
    replace: said.replace,
    small_change: said.small,
    unproven: said.unproven,
  };
  // A plan is of what was asked for then; whatever is changed since asks for another.
  const change = <Value,>(set: (value: Value) => void) => (value: Value) => {
    set(value);
    plan.reset();
    go.reset();
  };
  const told = go.data?.plan ?? plan.data?.plan;
  return (
    <Section title={t.title}>
      <Text size="sm" c="dimmed">
        {t.intro}
      </Text>
      <ProblemAlert error={published.error} onRetry={() => void published.refetch()} />
      <Group align="flex-end">
        <Select
          label={t.dataset}
          placeholder={published.data && here.length === 0 ? t.nothing : ''}
          miw={220}
          data={here.map(({ model, dataset }) => ({ value: `${model} ${dataset}`, label: `${dataset} (${model})` }))}
          value={chosen}
          onChange={change(setChosen)}
        />
        <NumberInput label={t.window} w={260} min={0} max={MOST_DAYS} allowDecimal={false} value={days} onChange={change(setDays)} />
        <TextInput
          label={t.target}
          placeholder={t.targetHint}
          miw={260}
          value={target}
          onChange={(event) => change(setTarget)(event.currentTarget.value)}
        />
      </Group>
      <Stack gap="xs">
        {CONSENTS.filter((name) => name !== 'unproven' || said.unproven || told?.refusal).map((name) => (
          <Checkbox
            key={name}
            label={t[name]}
            checked={said[name]}
            onChange={(event) => change(setSaid)({ ...said, [name]: event.currentTarget.checked })}
          />
        ))}
      </Stack>
      <Group>
        <Button variant="default" disabled={!order || days === ''} loading={plan.isPending} onClick={() => order && plan.mutate(order)}>
          {t.plan}
        </Button>
        <Button
          disabled={!order || !plan.data || plan.data.plan.refusal !== null || go.isSuccess}
          loading={go.isPending}
          onClick={() => order && go.mutate(order)}
        >
          {t.go}
        </Button>
      </Group>
      <div aria-live="polite">
        <ProblemAlert error={go.error ?? plan.error} />
        {told && <Plan plan={told} />}
        {told?.refusal && <ProblemAlert problem={{ title: t.refused, detail: told.refusal }} color="yellow" />}
        {told && !told.refusal && !go.data && <Text size="sm">{t.ready}</Text>}
        {go.data && (
          <Alert color="teal" variant="light" title={t.done(go.data.plan.target, go.data.version ?? 0)}>
            <Anchor component={Link} size="sm" to={`/datasets/${encodeURIComponent(go.data.plan.model)}/${encodeURIComponent(go.data.plan.target)}`}>
              {t.open}
            </Anchor>
          </Alert>
        )}
      </div>
    </Section>
  );
}

/** Who would get which scan, and what becomes of the others. */
function Plan({ plan }: { plan: PublicationPlan }) {
  const leftOut = Object.keys(plan.left_out);
  const lists = [
    [t.replaced, plan.replaced],
    [t.gone, plan.gone],
    [t.leftOut, leftOut],
  ] as const;
  return (
    <>
      <Title order={3} fz="h5">
        {t.counts}
      </Title>
      <Text size="sm">{plan.date === null ? t.byPatient : t.byDate(plan.date, plan.window ?? 0)}</Text>
      <Table className="listing" aria-label={t.counts} w="fit-content">
        <Table.Tbody>
          {FATES.filter((fate) => fate === 'joined' || plan[fate] > 0).map((fate) => (
            <Table.Tr key={fate}>
              <Table.Td ta="right">{plan[fate].toLocaleString(locale)}</Table.Td>
              <Table.Td>{t.fates[fate]}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Text size="sm">{`${t.without(plan.patients_without, plan.patients)} ${t.columns(plan.columns.length)}.`}</Text>
      {lists.map(
        ([what, codes]) =>
          codes.length > 0 && (
            <Text key={what} size="sm">
              {`${what}: ${codes.join(', ')}`}
            </Text>
          ),
      )}
    </>
  );
}
