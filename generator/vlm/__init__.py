"""Vision-language models as victims: a chat endpoint is asked what the clean and the attacked picture show.

    settings -> asking -> describing (pairs of pictures) -> client -> wire, transport -> endpoint
                            scoring  <-  journal (answers by question)  <-  reply
                            report, report_html

- `settings` come from the server's environment or a file of its owner alone: address, key, prices, cap.
- `client` keeps to the rate and to the cost cap (`costs`) and tries again what passes; `transport` can be given up at
  any moment, `wire` reads answers and trusts none.
- `describing` asks about clean and attacked pictures, `scoring` says how near an answer is to what was wanted,
  `verdicts` and `journal` keep it, `report` and `report_html` add it up; `record` has the types of what is written.
  `generator.cli.vlm` has the flags.

To add a score, see `scoring`. Read docs/responsible-use.md first.
"""
