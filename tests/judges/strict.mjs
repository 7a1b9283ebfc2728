// What npm's mjml says of a file when it validates strictly, as a JSON list.
import { readFile } from "node:fs/promises";
import mjml2html from "mjml";

const source = await readFile(process.argv[2], "utf-8");
try {
  const { errors } = await mjml2html(source, { validationLevel: "strict", fonts: {} });
  console.log(JSON.stringify(errors.map(error => error.formattedMessage)));
} catch (error) {
  console.log(JSON.stringify((error.errors || [error]).map(each => each.formattedMessage || String(each))));
}
