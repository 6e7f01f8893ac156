/** Man pages in roff, with the macros of man(7), from commander's commands and the texts of man-texts.mjs. */
import { PAGES } from './man-command-texts.mjs';
import { ENVIRONMENT, FILES, MAIN, OTHER_STATUSES, toFollowerStatuses } from './man-texts.mjs';

/** `sbx(1)`: what it is, its commands, and what all of them have in common. */
export function toMainPage(program, { version, statuses }) {
  const commands = program.commands.map((command) => [
    `${bold(`sbx ${command.name()}`)} ${text(command.usage())}`,
    `${capitalize(command.summary())}. See ${bold(`sbx-${command.name()}`)}(1).`,
  ]);
  return toPage({
    name: 'sbx',
    version,
    summary: MAIN.summary,
    synopsis: [`${bold('sbx')} ${text(program.usage())}`],
    description: [program.description(), ...MAIN.description].map(text),
    sections: [
      ['COMMANDS', toList(commands)],
      ['EXIT STATUS', `${paragraph(text(MAIN.statuses))}${toStatusList(statuses)}`],
      ['ENVIRONMENT', toList(Object.entries(ENVIRONMENT).map(toDefinition))],
      ['FILES', toList(Object.entries(FILES).map(toDefinition))],
      ['EXAMPLES', toExamples(MAIN.examples)],
    ],
    seeAlso: program.commands.map((command) => `sbx-${command.name()}`),
  });
}

function toStatuses({ statuses = OTHER_STATUSES, ended }, ofExec) {
  if (statuses !== 'exec') return statuses;
  return ended === undefined ? ofExec : toFollowerStatuses(ofExec, ended);
}

export function toCommandPage(command, { version, statuses, program }) {
  const name = command.name();
  const page = PAGES[name];
  if (page === undefined) throw new Error(`scripts/man-command-texts.mjs has no texts for sbx ${name}`);
  const others = program.commands
    .map((other) => other.name())
    .filter((other) => page.seeAlso.includes(other));
  if (others.length !== page.seeAlso.length)
    throw new Error(`sbx-${name} refers to a page that is not there`);
  return toPage({
    name: `sbx-${name}`,
    version,
    summary: command.summary(),
    synopsis: [`${bold(`sbx ${name}`)} ${text(command.usage())}`],
    description: [command.description(), ...(page.description ?? [])].map(text),
    sections: [
      ['OPTIONS', toList([...command.registeredArguments.map(toArgument), ...toOptions(command)])],
      ['EXIT STATUS', toStatusList(toStatuses(page, statuses))],
      ['ENVIRONMENT', toList(pick(ENVIRONMENT, page.environment))],
      ['FILES', toList(pick(FILES, page.files))],
      ['EXAMPLES', toExamples(page.examples)],
    ],
    seeAlso: ['sbx', ...others.map((other) => `sbx-${other}`)],
  });
}

function toPage({ name, version, summary, synopsis, description, sections, seeAlso }) {
  const parts = [
    '.\\" Made by scripts/generate.mjs: do not edit.',
    `.TH ${name.toUpperCase().replaceAll('-', '\\-')} 1 "" "sbx ${version}" "User Commands"`,
    section('NAME', `${text(name)} \\- ${text(summary)}\n`),
    section('SYNOPSIS', synopsis.map(paragraph).join('')),
    section('DESCRIPTION', description.map(paragraph).join('')),
    ...sections.filter(([, body]) => body !== '').map(([title, body]) => section(title, body)),
    section('SEE ALSO', `${seeAlso.map((other) => `${bold(other)}(1)`).join(',\n')}\n`),
  ];
  return `${parts.join('\n').trimEnd()}\n`;
}

function section(title, body) {
  return `.SH ${title.includes(' ') ? `"${title}"` : title}\n${body.replace(/^\.PP\n/, '').trimEnd()}`;
}

function paragraph(body) {
  return `.PP\n${body}\n`;
}

function toList(entries) {
  return entries.map(([term, body]) => `.TP\n${term}\n${body}\n`).join('');
}

function toStatusList(statuses) {
  return toList(statuses.map(([status, when]) => [bold(String(status)), text(when)]));
}

function toDefinition([name, body]) {
  return [bold(name), text(body)];
}

function pick(all, names) {
  return names.map((name) => {
    if (all[name] === undefined) throw new Error(`scripts/man-texts.mjs does not explain ${name}`);
    return toDefinition([name, all[name]]);
  });
}

function toArgument(argument) {
  const dots = argument.variadic ? '...' : '';
  return [italic(argument.name() + dots), `${capitalize(text(argument.description))}.`];
}

function toOptions(command) {
  const help = command.createHelp();
  return help.visibleOptions(command).map((option) => [toFlags(option.flags), toOptionText(option)]);
}

/** `-e, --env <K=V>`: what is typed as it is in bold, what stands for something in italics. */
function toFlags(flags) {
  const [, names, value] = /^(.*?)(?: <(.*)>)?$/.exec(flags);
  const typed = names.split(', ').map(bold).join(', ');
  return value === undefined ? typed : `${typed} ${italic(value)}`;
}

function toOptionText({ description, argChoices }) {
  const choices = argChoices ? `; one of ${argChoices.join(', ')}` : '';
  return `${capitalize(text(`${description}${choices}`))}.`;
}

function toExamples(examples) {
  return examples
    .map(
      ([what, ...lines]) =>
        `${paragraph(`${text(what)}:`)}.PP\n.RS 4\n.EX\n${lines.map(text).join('\n')}\n.EE\n.RE\n`,
    )
    .join('');
}

function bold(words) {
  return `\\fB${text(words)}\\fR`;
}

function italic(words) {
  return `\\fI${text(words)}\\fR`;
}

/** Nothing in it is a request or an escape, and every quote and hyphen can be copied from the page. */
function text(words) {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('`', '\\(ga')
    .replaceAll('–', '\\(en')
    .replace(/^(?=\.)/gm, '\\&');
}

function capitalize(words) {
  return words.replace(/^./, (first) => first.toUpperCase());
}
