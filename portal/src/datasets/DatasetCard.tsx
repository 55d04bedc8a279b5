import { List, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { dataApi, type CardEntry } from '../api/data';
import { Section } from '../inbox/Section';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';

const t = texts.stewardship.card;

/** What a dataset is, who may use it, what was done to it. */
export function DatasetCard({ model, dataset }: { model: string; dataset: string }) {
  const query = useQuery({ queryKey: ['card', model, dataset], queryFn: () => dataApi.card(model, dataset) });
  return (
    <Section title={t.title}>
      {query.isPending && <Loading lines={3} />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.data && (
        <>
          <dl className="facts">
            {facts(query.data).map(([label, value]) => (
              <div key={label} style={{ display: 'contents' }}>
                <dt>{label}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          <Title order={3} fz="h5">
            {t.done}
          </Title>
          <List size="sm">
            {query.data.sentences.map((sentence) => (
              <List.Item key={sentence}>{sentence}</List.Item>
            ))}
          </List>
        </>
      )}
    </Section>
  );
}

function facts({ card }: CardEntry): [string, string][] {
  const about = card.description;
  const told: [string, string][] = [
    [t.fields.description, [about.title, about.description].filter(Boolean).join('. ')],
    [t.fields.source, about.source],
    [t.fields.consent, about.consent],
    [t.fields.terms, about.terms],
    [t.fields.contact, [about.contact_name, about.contact_email].filter(Boolean).join(', ')],
    [t.fields.publisher, about.publisher],
    [t.fields.license, about.license],
    [t.fields.access, [...card.access.roles, ...card.access.users].join(', ')],
  ];
  return told.filter(([, value]) => value !== '');
}
