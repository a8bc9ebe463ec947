import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

# Rows that were written in this transaction have their foreign keys looked at before the tables change again.
AT_ONCE = "SET CONSTRAINTS ALL IMMEDIATE"
COPY = (
    "INSERT INTO interventions_plancontract (plan_id, contract_id) SELECT id, contract_id FROM interventions_plan",
    "UPDATE interventions_planitem AS i SET contract_id = p.contract_id FROM interventions_plan AS p WHERE p.id = i.plan_id",
    AT_ONCE,
)
# A plan of several contracts becomes one of the first; what was nearly chosen had no place.
COPY_BACK = (
    "DELETE FROM interventions_planitem WHERE NOT chosen",
    """UPDATE interventions_plan AS p
          SET contract_id = (SELECT min(l.contract_id) FROM interventions_plancontract AS l WHERE l.plan_id = p.id)""",
    AT_ONCE,
)


class Migration(migrations.Migration):
    """Plans of several contracts, with what they nearly chose and why; the runs that make them."""

    dependencies = [
        ('interventions', '0004_simulation'),
        ('members', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='PlanContract',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('contract', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='plan_links', to='members.contract')),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='contract_links', to='interventions.plan')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('plan', 'contract'), name='plan_contract_once')],
            },
        ),
        migrations.CreateModel(
            name='PlanRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('queued', 'Waiting'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed')], default='queued', max_length=10)),
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(default=0, help_text='0 until the run begins and counts its units.')),
                ('requested_by', models.CharField(max_length=150)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('heard_at', models.DateTimeField(blank=True, help_text='Last sign of life.', null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('error', models.CharField(blank=True, help_text='Why it failed; names no member.', max_length=500)),
                ('year', models.PositiveSmallIntegerField(verbose_name='measurement year')),
                ('asked', models.JSONField(help_text='Contracts, budget, objective, confidence, capacities and floors.')),
                ('plan', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='run', to='interventions.plan')),
            ],
            options={
                'ordering': ['-id'],
                'abstract': False,
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'running', 'done', 'failed'])), name='planrun_state_known'),
                    models.CheckConstraint(condition=models.Q(('done__lte', models.F('total'))), name='planrun_done_of_total'),
                    models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('started_at', None), ('state', 'queued')), models.Q(('finished_at', None), ('heard_at__isnull', False), ('started_at__isnull', False), ('state', 'running')), models.Q(('finished_at__isnull', False), ('started_at__isnull', False), ('state__in', ('done', 'failed'))), _connector='OR'), name='planrun_times_fit_state'),
                    models.CheckConstraint(condition=models.Q(models.Q(('state', 'failed'), models.Q(('error', ''), _negated=True)), models.Q(models.Q(('state', 'failed'), _negated=True), ('error', '')), _connector='OR'), name='planrun_failed_says_why'),
                ],
            },
        ),
        migrations.AddField(
            model_name='plan',
            name='outcomes',
            field=models.JSONField(default=dict, help_text='Contract: expected stars and chances without and with it.'),
        ),
        migrations.AlterField(
            model_name='plan',
            name='data_as_of',
            field=models.DateField(help_text='Of several contracts the oldest.'),
        ),
        migrations.AddField(
            model_name='planitem',
            name='charge',
            field=models.FloatField(default=0, help_text="Dollars at the plan's prices of the contacts it uses."),
        ),
        migrations.AddField(
            model_name='planitem',
            name='chosen',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='planitem',
            name='reason',
            field=models.CharField(blank=True, help_text='Worth and cost in words; why it was not chosen.', max_length=1000),
        ),
        migrations.RemoveConstraint(
            model_name='planitem',
            name='plan_item_once_a_member',
        ),
        migrations.AddConstraint(
            model_name='planitem',
            constraint=models.UniqueConstraint(condition=models.Q(('chosen', True)), fields=('plan', 'member'), name='plan_item_once_a_member'),
        ),
        migrations.AddConstraint(
            model_name='planitem',
            constraint=models.UniqueConstraint(fields=('plan', 'member', 'kind'), name='plan_item_kind_once_a_member'),
        ),
        migrations.AddIndex(
            model_name='planitem',
            index=models.Index(models.F('plan'), models.F('chosen'), models.OrderBy(models.F('worth'), descending=True), models.F('id'), name='plan_item_order'),
        ),
        migrations.AlterField(
            model_name='plan',
            name='contract',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.contract'),
        ),
        migrations.AddField(
            model_name='planitem',
            name='contract',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='plan_items', to='members.contract'),
        ),
        migrations.RunSQL(COPY, COPY_BACK),
        migrations.AlterField(
            model_name='planitem',
            name='contract',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='plan_items', to='members.contract'),
        ),
        migrations.RemoveField(
            model_name='plan',
            name='contract',
        ),
        migrations.AddField(
            model_name='plan',
            name='contracts',
            field=models.ManyToManyField(related_name='plans', through='interventions.PlanContract', to='members.contract'),
        ),
    ]
