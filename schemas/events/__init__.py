"""The data of every event, one module per owner.

Each model is looked at in two ways: a writer's data must meet the closed view (an unknown field is an error), a
reader's parser uses the open view (an unknown field is ignored). So a field can be added without a flag day.
"""
