import { Button, Card, CopyButton, Group, List, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';

import { api } from '../api/client';
import { Icon } from '../shared/Icon';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { save } from '../shared/save';
import { texts } from '../texts/texts';
import { asPaper } from './paper';

const t = texts.writeUp;
const LANGUAGES = ['client', 'shell', 'curl', 'python'] as const;

/** A paper's paragraph on an experiment, code that asks for it again, and its report. */
export function WriteUp({ id }: { id: string }) {
  const query = useQuery({ queryKey: ['write-up', id], queryFn: () => api.writeUp(id), staleTime: Infinity });
  const report = useMutation({
    mutationFn: async (format: 'html' | 'pdf') => save(await api.reportFile(id, format), `report-${id.slice(0, 8)}.${format}`),
  });
  if (!query.data) {
    return (
      <>
        {query.isPending && <Loading />}
        <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      </>
    );
  }
  const { methods, code } = query.data;
  return (
    <Stack gap="xl">
      <Group gap="sm">
        <Button
          size="sm"
          leftSection={<Icon name="download" size={14} />}
          loading={report.isPending && report.variables === 'pdf'}
          onClick={() => report.mutate('pdf')}
        >
          {t.reportPdf}
        </Button>
        <Button
          size="sm"
          variant="default"
          leftSection={<Icon name="download" size={14} />}
          loading={report.isPending && report.variables === 'html'}
          onClick={() => report.mutate('html')}
        >
          {t.report}
        </Button>
        <Text size="sm" c="dimmed">
          {t.reportHint}
        </Text>
      </Group>
      <ProblemAlert error={report.error} />
      <section aria-labelledby="methods">
        <Heading id="methods" title={t.methods} hint={t.methodsHint} text={asPaper(methods)} />
        <Card withBorder>
          <Text className="paragraph">{methods.paragraph}</Text>
          {methods.references.length > 0 && (
            <>
              <Title order={3} fz="sm" mt="md" mb={4}>
                {t.references}
              </Title>
              <List type="ordered" size="sm">
                {methods.references.map((reference) => (
                  <List.Item key={reference}>{reference}</List.Item>
                ))}
              </List>
            </>
          )}
        </Card>
      </section>
      <section aria-labelledby="code">
        <Title order={2} fz="lg" id="code">
          {t.code}
        </Title>
        <Text size="sm" c="dimmed" mb="md">
          {t.codeHint}
        </Text>
        <Stack gap="lg">
          {LANGUAGES.map((language) => (
            <div key={language}>
              <Group justify="space-between" mb={4}>
                <Title order={3} fz="sm">
                  {t.languages[language]}
                </Title>
                <Copy what={t.languages[language]} text={code[language]} />
              </Group>
              {/* What scrolls can be reached by the keyboard. */}
              {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
              <pre className="code written" tabIndex={0} role="region" aria-label={t.languages[language]}>
                {code[language]}
              </pre>
            </div>
          ))}
        </Stack>
      </section>
    </Stack>
  );
}

function Heading({ id, title, hint, text }: { id: string; title: string; hint: string; text: string }) {
  return (
    <>
      <Group justify="space-between">
        <Title order={2} fz="lg" id={id}>
          {title}
        </Title>
        <Copy what={title} text={text} />
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {hint}
      </Text>
    </>
  );
}

/** Copies a text; what it says, and is called, tells what was copied. */
function Copy({ what, text }: { what: string; text: string }) {
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<Icon name="copy" size={12} />}
          onClick={copy}
          aria-label={copied ? t.copiedOf(what) : t.copyOf(what)}
        >
          {copied ? t.copied : t.copy}
        </Button>
      )}
    </CopyButton>
  );
}
