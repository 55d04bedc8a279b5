import { Accordion, Button, Checkbox, Group, MultiSelect, Select, Stack, Table, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { api } from '../api/client';
import { dataApi, type Choice, type InboxEntry, type ReadingOptions, type Suggestion } from '../api/data';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import { decimal } from '../shared/number';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { CoverageView } from './CoverageView';
import { firstChoice, isMoving } from './item';
import { Section } from './Section';

const t = texts.inbox.reading;
const SAMPLE = 5;
const PLAIN = '';
const OWN = 'own';

/** How a file is read: model, dataset, mapping, and how it is written; tried before it is used. */
export function ReadingSection({ item }: { item: InboxEntry }) {
  const models = useQuery({ queryKey: ['models'], queryFn: api.models });
  const mappings = useQuery({ queryKey: ['mappings'], queryFn: dataApi.mappings, staleTime: Infinity });
  if (models.error || mappings.error) return <ProblemAlert error={models.error ?? mappings.error} />;
  if (!models.data || !mappings.data || item.state === 'arriving') return <Loading lines={3} />;
  return <Reading item={item} models={models.data.map((model) => model.code)} mappings={mappings.data} />;
}

function Reading({
  item,
  models,
  mappings,
}: {
  item: InboxEntry;
  models: string[];
  mappings: { name: string; label: string; yaml: string }[];
}) {
  const shipped = new Map(mappings.map((mapping) => [mapping.name, mapping]));
  const [draft, setDraft] = useState<Choice>(() => firstChoice(item, models));
  const [kind, setKind] = useState(() => (draft.mapping === null || draft.mapping === undefined ? PLAIN : shipped.has(draft.mapping) ? draft.mapping : OWN));
  const [yaml, setYaml] = useState(() => (kind === OWN ? (draft.mapping ?? '') : ''));
  const client = useQueryClient();
  const choice: Choice = { ...draft, mapping: kind === PLAIN ? null : kind === OWN ? yaml : kind };
  const fits = new Map(item.fits.map((fit) => [fit.model, fit.columns]));

  const suggest = useMutation({
    mutationFn: () => dataApi.suggest(item.name, draft.model, draft.others),
    onSuccess: (made: Suggestion) => {
      setYaml(made.yaml);
      setKind(OWN);
    },
  });
  const attempt = useMutation({ mutationFn: (tried: Choice) => dataApi.coverage(item.name, tried, SAMPLE) });
  // What was tried tells nothing of what has been written since.
  const isTried = JSON.stringify(attempt.variables) === JSON.stringify(choice);
  const use = useMutation({
    mutationFn: () => dataApi.choose(item.name, choice),
    onSuccess: () => client.invalidateQueries({ queryKey: ['inbox'] }),
  });
  const change = (part: Partial<Choice>) => setDraft({ ...draft, ...part });

  return (
    <Section title={t.title}>
      {item.recognised && (
        <Text size="sm" c="dimmed">
          {t.recognised}
        </Text>
      )}
      <Group align="start" grow preventGrowOverflow={false}>
        <Select
          label={t.model}
          data={models.map((model) => ({ value: model, label: fits.has(model) ? t.fit(model, fits.get(model) ?? 0) : model }))}
          value={draft.model}
          allowDeselect={false}
          onChange={(model) => change({ model: model ?? '' })}
        />
        <TextInput
          label={t.dataset}
          description={t.datasetHint}
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          value={draft.dataset ?? ''}
          onChange={(event) => change({ dataset: event.currentTarget.value || null })}
        />
      </Group>
      <Group align="end">
        <Select
          label={t.mapping}
          flex={1}
          data={[
            { value: PLAIN, label: t.asItIs },
            { value: OWN, label: t.own },
            ...mappings.map((mapping) => ({ value: mapping.name, label: mapping.label })),
          ]}
          value={kind}
          allowDeselect={false}
          onChange={(chosen) => setKind(chosen ?? PLAIN)}
        />
        <Button variant="light" loading={suggest.isPending} disabled={!draft.model} onClick={() => suggest.mutate()}>
          {t.suggest}
        </Button>
        {shipped.has(kind) && (
          <Button
            variant="light"
            onClick={() => {
              setYaml(shipped.get(kind)?.yaml ?? '');
              setKind(OWN);
            }}
          >
            {t.copy}
          </Button>
        )}
      </Group>
      <ProblemAlert error={suggest.error} />
      {suggest.data && kind === OWN && <Matches made={suggest.data} />}
      {kind === OWN && (
        <Textarea
          label={t.editor}
          description={t.editorHint}
          classNames={{ input: 'code' }}
          autosize
          minRows={10}
          maxRows={28}
          spellCheck={false}
          value={yaml}
          onChange={(event) => setYaml(event.currentTarget.value)}
        />
      )}
      <More item={item} draft={draft} onChange={change} />
      <Group>
        {kind !== PLAIN && (
          <Button variant="default" loading={attempt.isPending} onClick={() => attempt.mutate(choice)}>
            {t.try}
          </Button>
        )}
        <Button loading={use.isPending} disabled={isMoving(item) || !draft.model} onClick={() => use.mutate()}>
          {t.use}
        </Button>
      </Group>
      <ProblemAlert error={isTried ? attempt.error : null} />
      <ProblemAlert error={use.error} />
      {attempt.data && isTried && kind !== PLAIN && <CoverageView coverage={attempt.data} />}
    </Section>
  );
}

function Matches({ made }: { made: Suggestion }) {
  return (
    <Accordion variant="contained" chevronPosition="left">
      <Accordion.Item value="matches">
        <Accordion.Control>{t.matches}</Accordion.Control>
        <Accordion.Panel>
          <div className="wide">
            <Table className="listing" aria-label={t.matches}>
              <Headings names={t.match} right={['score']} />
              <Table.Tbody>
                {made.matches.map((match) => (
                  <Table.Tr key={match.column}>
                    <Table.Td>{match.column}</Table.Td>
                    <Table.Td>{match.variable ?? t.none}</Table.Td>
                    <Table.Td ta="right">{match.variable ? decimal(match.score, 2) : ''}</Table.Td>
                    <Table.Td>{match.variable ? match.why : ''}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </div>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}

/** What is detected of a file and may be said otherwise, and what else the mapping reads. */
function More({ item, draft, onChange }: { item: InboxEntry; draft: Choice; onChange: (part: Partial<Choice>) => void }) {
  const files = useQuery({ queryKey: ['inbox'], queryFn: dataApi.inbox });
  const options = draft.options;
  const say = (part: Partial<ReadingOptions>) => onChange({ options: { ...options, ...part } });
  const others = (files.data ?? []).map((file) => file.name).filter((name) => name !== item.name);
  return (
    <Accordion variant="contained" chevronPosition="left">
      <Accordion.Item value="more">
        <Accordion.Control>{t.more}</Accordion.Control>
        <Accordion.Panel>
          <Stack gap="sm">
            <Group grow align="end">
              <Select
                label={t.delimiter}
                placeholder={t.detected}
                clearable
                data={Object.entries(t.delimiters).map(([value, label]) => ({ value, label }))}
                value={options.delimiter ?? null}
                onChange={(delimiter) => say({ delimiter })}
              />
              <Select
                label={t.decimal}
                placeholder={t.detected}
                clearable
                data={Object.entries(t.decimals).map(([value, label]) => ({ value, label }))}
                value={options.decimal ?? null}
                onChange={(decimal) => say({ decimal: decimal as '.' | ',' | null })}
              />
              <TextInput
                label={t.encoding}
                placeholder={t.detected}
                value={options.encoding ?? ''}
                onChange={(event) => say({ encoding: event.currentTarget.value || null })}
              />
              <TextInput
                label={t.sheet}
                placeholder={t.detected}
                value={options.sheet ?? ''}
                onChange={(event) => say({ sheet: event.currentTarget.value || null })}
              />
            </Group>
            {others.length > 0 && (
              <MultiSelect label={t.others} data={others} value={draft.others} onChange={(chosen) => onChange({ others: chosen })} />
            )}
            <Checkbox
              label={t.synthetic}
              checked={draft.synthetic}
              onChange={(event) => onChange({ synthetic: event.currentTarget.checked })}
            />
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}
